"""Turns fitted dataclasses into arrays and plain JSON, and back, without running any code.

A packed value is a tree of JSON in which each array is replaced by the name of a tensor. Reading
back is driven by the dataclasses' own type hints: a file can only fill in the fields of the class
that the reader asks for, so it cannot choose which code runs.
"""

import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Union, get_args, get_origin, get_type_hints

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
            return value if np.isfinite(value) else str(value)
        case np.integer() | np.floating():
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

    Raises:
        ArtefactError: If the data does not fit the type.
    """
    try:
        return _unpack(hint, data, arrays, path)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ArtefactError(
            f"the saved router does not fit this version at {path}: {error}"
        ) from error


def _unpack(hint: Any, data: Any, arrays: Mapping[str, NDArray[Any]], path: str) -> Any:
    hint = _without_alias(hint)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        if data is None and type(None) in arguments:
            return None
        (inner,) = (argument for argument in arguments if argument is not type(None))
        return _unpack(inner, data, arrays, path)
    if hint is np.ndarray or origin is np.ndarray:
        return arrays[data["tensor"]]
    if is_dataclass(hint) and isinstance(hint, type):
        return _construct(hint, data, arrays, path)
    if isinstance(hint, type) and issubclass(hint, tuple) and hasattr(hint, "_fields"):
        hints = get_type_hints(hint)
        names = hint._fields
        items = zip(names, data, strict=True)
        return hint(*(_unpack(hints[name], item, arrays, f"{path}.{name}") for name, item in items))
    if origin in (tuple, list):
        return origin(_unpack(arguments[0], item, arrays, path) for item in data)
    if origin is dict:
        return {key: _unpack(arguments[1], item, arrays, path) for key, item in data.items()}
    if hint is float:
        return float(data)
    if not isinstance(data, hint):
        raise TypeError(f"expected {hint}, found {type(data).__name__}")
    return data


def _without_alias(hint: Any) -> Any:
    """What a type alias stands for; from numpy 2.5 on, NDArray is one."""
    return getattr(get_origin(hint), "__value__", hint)


def _construct(cls: type, data: Any, arrays: Mapping[str, NDArray[Any]], path: str) -> Any:
    hints = get_type_hints(cls)
    known = {f.name for f in fields(cls) if f.init}
    if set(data) - known:
        raise TypeError(f"{cls.__name__} has no field {sorted(set(data) - known)}")
    return cls(
        **{
            name: _unpack(hints[name], item, arrays, f"{path}.{name}")
            for name, item in data.items()
        }
    )
