"""JSON as text, without loading what takes longer than a whole test."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class _Settings:
    """What the scanner of the standard library is told."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = {
        "NaN": float("nan"),
        "Infinity": float("inf"),
        "-Infinity": float("-inf"),
    }.__getitem__


def _refuse(value: Any) -> Any:
    raise TypeError(f"{type(value).__name__!r} is not JSON")


def _quick() -> tuple[Callable[[str], Any], Callable[[Any], str]]:
    """The parts of `json` that are written in C, without those around them."""
    from _json import encode_basestring_ascii, make_encoder, make_scanner  # noqa: PLC0415

    settings: Any = _Settings()
    scan = make_scanner(settings)
    encoder = make_encoder(
        None, _refuse, encode_basestring_ascii, None, ":", ",", False, False, True
    )

    def read(text: str) -> Any:
        text = text.strip()
        try:
            value, end = scan(text, 0)
        except StopIteration:
            end = -1
        if end != len(text):
            raise ValueError("not JSON")
        return value

    def write(value: Any) -> str:
        return "".join(encoder(value, 0))

    sample: Any = {"a": [1, 2.5, None, True, "\u00e9\n", {}]}
    if read(write(sample)) != sample or write(float("nan")) != "NaN":
        raise TypeError("these parts work in another way here")
    return read, write


def _whole() -> tuple[Callable[[str], Any], Callable[[Any], str]]:
    import json  # noqa: PLC0415

    return json.loads, json.dumps


try:
    read_json, write_json = _quick()
except (ImportError, TypeError, ValueError):
    read_json, write_json = _whole()
