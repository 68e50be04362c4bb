"""Turns fitted dataclasses into arrays and plain JSON, and back, without running any code.

A packed value is a tree of JSON in which each array is replaced by the name of a tensor. Reading
back is driven by the dataclasses' own type hints: a file can only fill in the fields of the class
that the reader asks for, with values of the types that it declares, so it cannot choose which code
runs.
"""

import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from fusion_agents.errors import ArtefactError

Arrays = dict[str, NDArray[Any]]


def pack(value: object, arrays: Arrays, path: str = "state") -> JsonValue:
    """Describe a value as JSON; its arrays are added to `arrays` under names made from `path`.

    Dataclasses, named tuples, lists, tuples, dicts with string keys, arrays, strings, numbers and
    None can be packed; fields that do not belong to the constructor are left out.

    Raises:
        TypeError: If the value holds anything else.
    """
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return float(value) if np.isfinite(value) else str(float(value))
        case np.integer() | np.floating() | np.bool_():
            return pack(value.item(), arrays, path)
        case np.ndarray():
            arrays[path] = np.ascontiguousarray(value)
            return {"tensor": path}
        case dict():
            return {key: pack(item, arrays, f"{path}.{key}") for key, item in value.items()}
        case list() | tuple():
            return [pack(item, arrays, f"{path}.{i}") for i, item in enumerate(value)]
        case _ if is_dataclass(value) and not isinstance(value, type):
            return {
                f.name: pack(getattr(value, f.name), arrays, f"{path}.{f.name}")
                for f in fields(value)
                if f.init
            }
    raise TypeError(f"cannot save a {type(value).__name__} at {path!r}")


def unpack(hint: Any, data: Any, arrays: Mapping[str, NDArray[Any]], path: str = "state") -> Any:
    """Read back what `pack` described, as the type that `hint` names.

    Arrays must be of the declared kind (floating point, integers, truth values), in any precision.
    An integer where a floating-point number is declared stays an integer.

    Raises:
        ArtefactError: If the data does not fit the type.
    """
    try:
        return _unpack(hint, data, arrays, path)
    except _MISFITS as error:
        raise _misfit(path, error) from error


def unpack_fields(
    cls: type, data: Any, arrays: Mapping[str, NDArray[Any]], path: str = "state"
) -> dict[str, Any]:
    """Read back arguments of a dataclass's constructor; those that are not there are left out.

    Raises:
        ArtefactError: If the class does not have such a field, or the data does not fit its type.
    """
    try:
        return _fields(cls, data, arrays, path)
    except _MISFITS as error:
        raise _misfit(path, error) from error


_MISFITS = (LookupError, TypeError, ValueError, AttributeError, NameError, RecursionError)


def _misfit(path: str, error: Exception) -> ArtefactError:
    reason = str(error).partition("\n")[0] or type(error).__name__
    return ArtefactError(
        f"the saved router does not fit this version at {path}: {reason}; "
        "install the version that saved it, or fit again"
    )


def _unpack(hint: Any, data: Any, arrays: Mapping[str, NDArray[Any]], path: str) -> Any:
    hint = _without_alias(hint)
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return _first_that_fits(get_args(hint), data, arrays, path)
    if hint is np.ndarray or origin is np.ndarray:
        return _array(hint, data, arrays, path)
    if is_dataclass(hint) and isinstance(hint, type):
        return hint(**_fields(hint, data, arrays, path))
    if isinstance(hint, type) and issubclass(hint, tuple) and hasattr(hint, "_fields"):
        items = zip(hint._fields, _checked(list, data, path), strict=True)
        return hint(*(_unpack(_hint(hint, n), item, arrays, f"{path}.{n}") for n, item in items))
    if origin in (tuple, list, dict):
        return _container(hint, data, arrays, path)
    return _plain(hint, data, path)


def _first_that_fits(
    hints: tuple[Any, ...], data: Any, arrays: Mapping[str, NDArray[Any]], path: str
) -> Any:
    if data is None and type(None) in hints:
        return None
    *others, last = (hint for hint in hints if hint is not type(None))
    for hint in others:
        try:
            return _unpack(hint, data, arrays, path)
        except _MISFITS:
            continue
    return _unpack(last, data, arrays, path)


def _array(
    hint: Any, data: Any, arrays: Mapping[str, NDArray[Any]], path: str
) -> NDArray[np.generic]:
    name = _checked(dict, data, path)["tensor"]
    if name not in arrays:
        raise ValueError(f"{path}: there is no tensor {name!r:.80}")
    array = arrays[name]
    declared = get_args(get_args(hint)[1])[0] if get_args(hint) else np.generic
    kinds = (np.bool_, np.integer, np.floating)
    kind = next((k for k in kinds if isinstance(declared, type) and issubclass(declared, k)), None)
    if kind is not None and not issubclass(array.dtype.type, kind):
        raise TypeError(f"{path}: expected an array of {declared.__name__}, found {array.dtype}")
    return array


def _container(hint: Any, data: Any, arrays: Mapping[str, NDArray[Any]], path: str) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is dict:
        items = _checked(dict, data, path).items()
        return {key: _unpack(arguments[1], item, arrays, f"{path}.{key}") for key, item in items}
    values = _checked(list, data, path)
    one_type = origin is list or arguments[1:] == (...,)
    hints = (arguments[0],) * len(values) if one_type else arguments
    return origin(
        _unpack(inner, item, arrays, f"{path}.{i}")
        for i, (inner, item) in enumerate(zip(hints, values, strict=True))
    )


def _plain(hint: Any, data: Any, path: str) -> Any:
    if hint in (Any, object):
        return data
    if get_origin(hint) is Literal:
        if not any(type(data) is type(word) and data == word for word in get_args(hint)):
            raise ValueError(f"{path}: expected one of {get_args(hint)}, found {_short(data)}")
        return data
    if hint is float:
        return _number(data, path)
    if hint is int and isinstance(data, float) and data.is_integer():
        return int(data)
    return _checked(hint, data, path)


def _number(data: Any, path: str) -> float:
    if isinstance(data, str) and data in ("nan", "inf", "-inf"):
        return float(data)
    if isinstance(data, int) and not isinstance(data, bool):
        return data
    number: float = _checked(float, data, path)
    return number


def _checked(kind: Any, data: Any, path: str) -> Any:
    if not isinstance(data, kind) or (isinstance(data, bool) and kind is not bool):
        raise TypeError(f"{path}: expected {kind.__name__}, found {_short(data)}")
    return data


def _short(data: object) -> str:
    return type(data).__name__ if isinstance(data, dict | list) else f"{data!r:.40}"


def _fields(cls: type, data: Any, arrays: Mapping[str, NDArray[Any]], path: str) -> dict[str, Any]:
    items = _checked(dict, data, path).items()
    unknown = sorted(set(data) - {f.name for f in fields(cls) if f.init})
    if unknown:
        raise TypeError(f"{cls.__name__} has no field {unknown}")
    return {name: _unpack(_hint(cls, name), item, arrays, f"{path}.{name}") for name, item in items}


def _without_alias(hint: Any) -> Any:
    """What a type alias stands for; from numpy 2.5 on, NDArray is one."""
    origin = get_origin(hint)
    if hasattr(origin, "__value__"):
        return _without_alias(origin.__value__[get_args(hint)])
    if origin is None and hasattr(hint, "__value__"):
        return _without_alias(hint.__value__)
    return hint


def _hint(cls: type, name: str) -> Any:
    """Type of one field; the others may name types that are only there for type checkers."""
    try:
        return _hints(cls)[name]
    except NameError:
        raw = next(f.type for f in fields(cls) if f.name == name)
        if isinstance(raw, str):
            raise
        return raw


@cache
def _hints(cls: type) -> dict[str, Any]:
    return get_type_hints(cls)
