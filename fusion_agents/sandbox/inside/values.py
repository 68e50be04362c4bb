"""Values as JSON with tags, so that nothing but data crosses between two processes.

What arrives is always of an exact builtin type (or a plain type of the standard library or numpy):
an object that calls itself equal to everything cannot cross, only the value under it. An object of
any other class stays where it is and crosses as a reference.
"""

from __future__ import annotations

import sys
from itertools import islice

TYPE_CHECKING = False  # to import `typing` would take a tenth of a run
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Keep = Callable[[Any], Any]

MOST_ITEMS = 200_000
"""Items of an iterator that cross; a longer one counts as endless."""
_SMALL = 1 << 60
_PLAIN_TYPES: tuple[type, ...] = (
    *(bool, int, float, complex, str, bytes, bytearray, list, tuple, set, frozenset, dict, range),
    *(object, type, type(None)),
)
_TYPES = {kind.__name__: kind for kind in _PLAIN_TYPES}
_STDLIB = {
    ("collections", "deque"): list,
    ("collections", "Counter"): dict,
    ("collections", "OrderedDict"): dict,
    ("decimal", "Decimal"): str,
    ("fractions", "Fraction"): str,
    ("datetime", "date"): lambda value: value.isoformat(),
    ("datetime", "datetime"): lambda value: value.isoformat(),
    ("datetime", "time"): lambda value: value.isoformat(),
}
"""Classes that cross as themselves, and what they are made from."""
_FROM_ISO = frozenset({"date", "datetime", "time"})
_VIEWS: dict[type, str] = {type({}.keys()): "keys", type({}.values()): "values"}
_VIEWS[type({}.items())] = "items"


class UncrossableError(Exception):
    """A value that only makes sense in its own process."""


def encode(value: Any, keep: Keep) -> Any:
    """Turn a value into what `json.dumps` takes.

    Args:
        value: Anything.
        keep: Called with an object that cannot cross; gives its reference or raises.
    """
    kind = type(value)
    if value is None or kind is bool or kind is float or kind is str:
        return value
    if kind is int:
        return value if -_SMALL < value < _SMALL else {"int": hex(value)}
    if kind is list:
        return [encode(item, keep) for item in value]
    if kind is dict:
        return {"dict": _pairs(value, keep)}
    if kind is tuple or kind is set or kind is frozenset:
        return {kind.__name__: [encode(item, keep) for item in value]}
    return _encode_rare(value, kind, keep)


def _pairs(value: Any, keep: Keep) -> Any:
    return [[encode(key, keep), encode(item, keep)] for key, item in dict.items(value)]


def _encode_rare(value: Any, kind: type, keep: Keep) -> Any:
    if kind is bytes or kind is bytearray:
        return {kind.__name__: value.hex()}
    if kind is complex:
        return {"complex": [value.real, value.imag]}
    if kind is range:
        return {"range": [value.start, value.stop, value.step]}
    if kind in _VIEWS:
        return {_VIEWS[kind]: [encode(item, keep) for item in value]}
    if value is Ellipsis or value is NotImplemented:
        return {"constant": str(value)}
    if isinstance(value, type):
        return {"type": kind_name} if (kind_name := _plain_name(value)) else keep(value)
    return _encode_library(value, kind, keep)


def _plain_name(kind: type) -> str | None:
    return kind.__name__ if _TYPES.get(kind.__name__) is kind else None


def _encode_library(value: Any, kind: type, keep: Keep) -> Any:
    name = (kind.__module__, kind.__name__)
    if kind.__module__ == "numpy" and hasattr(value, "dtype") and value.dtype.kind in "biufc":
        return {"numpy": [value.dtype.str, list(value.shape), value.tobytes().hex()]}
    if name in _STDLIB and getattr(sys.modules.get(name[0]), name[1], None) is kind:
        return {name[1]: encode(_STDLIB[name](value), keep)}  # type: ignore[operator]
    if name == ("collections", "defaultdict"):
        return {"dict": _pairs(value, keep)}
    if hasattr(kind, "__next__"):
        items = list(islice(value, MOST_ITEMS + 1))
        if len(items) > MOST_ITEMS:
            raise UncrossableError("an iterator without an end")
        return {"iterator": [encode(item, keep) for item in items]}
    return _encode_subclass(value, keep)


def _encode_subclass(value: Any, keep: Keep) -> Any:
    """The builtin value under an object of a subclass, read without calling its methods."""
    if isinstance(value, int):
        return encode(int.__pos__(value), keep)
    if isinstance(value, float):
        return float.__pos__(value)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, dict):
        return {"dict": _pairs(value, keep)}
    for base in (list, tuple, set):
        if isinstance(value, base):
            items: Any = base.__iter__
            return encode(base(items(value)), keep)
    return keep(value)


def decode(data: Any, find: Keep) -> Any:
    """Turn parsed JSON back into the value.

    Args:
        data: What `json.loads` gave; it may come from an enemy.
        find: Called with the content of a reference.

    Raises:
        UncrossableError: If it is not what `encode` gives.
    """
    if data is None or isinstance(data, bool | int | float | str):
        return data
    if isinstance(data, list):
        return [decode(item, find) for item in data]
    try:
        ((tag, content),) = data.items()
        if tag == "ref":
            return find(content)
        return _DECODERS[tag](content, find)
    except (KeyError, ValueError, TypeError, AttributeError, OverflowError, ArithmeticError) as e:
        raise UncrossableError(f"a value that no encoder makes: {e}") from None


def _decode_dict(content: Any, find: Keep) -> dict[Any, Any]:
    return {decode(key, find): decode(value, find) for key, value in content}


def _decode_numpy(content: Any, find: Keep) -> Any:
    kind, shape, data = content
    try:
        import numpy  # noqa: PLC0415
    except ImportError:
        raise UncrossableError("a numpy value, and there is no numpy here") from None
    if numpy.dtype(kind).kind not in "biufc":
        raise ValueError(kind)
    array = numpy.frombuffer(bytes.fromhex(data), dtype=kind).reshape(shape)
    if array.dtype.kind in "fc" and (array.dtype.itemsize < 4 or not numpy.isfinite(array).all()):
        # A small infinity is equal to every number that is too large for its type.
        array = array.astype("c16" if array.dtype.kind == "c" else "f8")
    return array.copy() if shape else array[()]


def _decode_stdlib(module: str, name: str) -> Callable[[Any, Keep], Any]:
    def made(content: Any, find: Keep) -> Any:
        kind = getattr(__import__(module), name)
        value = decode(content, find)
        return kind.fromisoformat(value) if name in _FROM_ISO else kind(value)

    return made


_DECODERS: dict[str, Callable[[Any, Keep], Any]] = {
    "int": lambda content, _: int(content, 16),
    "dict": _decode_dict,
    "tuple": lambda content, find: tuple([decode(item, find) for item in content]),
    "set": lambda content, find: {decode(item, find) for item in content},
    "frozenset": lambda content, find: frozenset([decode(item, find) for item in content]),
    "bytes": lambda content, _: bytes.fromhex(content),
    "bytearray": lambda content, _: bytearray.fromhex(content),
    "complex": lambda content, _: complex(*content),
    "range": lambda content, _: range(*content),
    "keys": lambda content, find: dict.fromkeys(decode(content, find)).keys(),
    "values": lambda content, find: dict(enumerate(decode(content, find))).values(),
    "items": lambda content, find: dict(decode(content, find)).items(),
    "constant": lambda content, _: {"Ellipsis": Ellipsis, "NotImplemented": NotImplemented}[
        content
    ],
    "type": lambda content, _: _TYPES[content],
    "iterator": lambda content, find: iter(decode(content, find)),
    "numpy": _decode_numpy,
    **{name: _decode_stdlib(module, name) for module, name in _STDLIB},
}
