"""Values out of a row, checked one by one as they are taken."""

import math
import re
from collections.abc import Mapping
from decimal import Decimal

from pydantic import ValidationError

_MAX_COUNT = 2**53
_STRATEGY = re.compile(r"[a-z][a-z0-9_-]*")


class BadValue(ValueError):  # noqa: N818 - a reason for a RowError, never seen outside
    """A value of a row cannot be used; the message says which and why."""


def reason(error: ValueError) -> str:
    """Say in one line why a row was refused."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        return f"{where}: {first['msg']}" if where else first["msg"]
    return str(error)


class Fields:
    """One row under the names of its source.

    Text is accepted for a number, because CSV knows nothing else, unless the container keeps types.
    Absent, null and, for text containers, empty values are None.
    """

    __slots__ = ("_values", "typed")

    def __init__(self, values: Mapping[str, object], *, typed: bool = False) -> None:
        self._values = values
        self.typed = typed

    def raw(self, name: str) -> object:
        """The value as it was read; none if it is absent."""
        return self._values.get(name)

    def text(self, name: str) -> str | None:
        """Text as it is; an empty one stays empty."""
        value = self._values.get(name)
        if value is None or (type(value) is str and value.isascii()):
            return value
        return _checked_text(name, value)

    def word(self, name: str) -> str | None:
        """Text that names something; blank is none."""
        value = self._values.get(name)
        if value is None or value == "":
            return None
        text = _checked_text(name, value)
        return None if text.isspace() else text

    def required(self, name: str) -> str:
        """Text that must be there and not blank."""
        value = self.word(name)
        if value is None:
            raise BadValue(f"no {name}")
        return value

    def number(self, name: str) -> float | None:
        """A finite number."""
        value = self._values.get(name)
        if value is None or value == "":
            return None
        if isinstance(value, str) and not self.typed:
            return _parsed(name, value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise BadValue(f"{name} is {_shown(value)}, not a number")
        try:
            return _finite(name, float(value))
        except OverflowError:
            raise BadValue(f"{name} is {_shown(value)}, which is too large") from None

    def score(self, name: str) -> float | None:
        """A number in [0, 1]; true and false are 1 and 0."""
        value = self._values.get(name)
        return float(value) if isinstance(value, bool) else in_unit(name, self.number(name))

    def amount(self, name: str) -> float | None:
        """A number that is not negative: dollars, seconds."""
        value = self.number(name)
        if value is not None and value < 0:
            raise BadValue(f"{name} is {value!r}, which is negative")
        return value

    def micro_dollars(self, name: str) -> float | None:
        """Dollars from millionths of dollars, exact in decimal."""
        value = self.amount(name)
        if value is None:
            return None
        given = self._values[name]
        exact = given.strip() if isinstance(given, str) else repr(value)
        return float(Decimal(exact).scaleb(-6))

    def count(self, name: str) -> int | None:
        """A whole number that is not negative; `52.0` is one."""
        value = self.amount(name)
        if value is None:
            return None
        if value != int(value) or value > _MAX_COUNT:
            raise BadValue(f"{name} is {value!r}, not a count")
        return int(value)

    def strategy(self, name: str) -> str:
        """A strategy's name in lower case and with `_` for spaces; `direct` if there is none."""
        value = self.word(name)
        if value is None:
            return "direct"
        plain = re.sub(r"\s+", "_", value.strip().lower())
        if not _STRATEGY.fullmatch(plain):
            raise BadValue(f"{name} {value!r} does not match [a-z][a-z0-9_-]*")
        return plain

    def answers(self, name: str) -> str | tuple[str, ...] | None:
        """A ground truth: one text, or several in a list; numbers become text."""
        value = self._values.get(name)
        if isinstance(value, list):
            return tuple(_checked_text(name, _printed(item)) for item in value) or None
        return None if value is None or value == "" else _checked_text(name, _printed(value))


def in_unit(name: str, value: float | None) -> float | None:
    """Check that a score lies in [0, 1]."""
    if value is not None and not 0 <= value <= 1:
        raise BadValue(f"{name} is {value!r}, which is outside [0, 1]")
    return value


def _printed(value: object) -> object:
    return str(value) if isinstance(value, int | float) else value


def _checked_text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise BadValue(f"{name} is {_shown(value)}, not text")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise BadValue(f"{name} is not valid Unicode") from None
    return value


def _parsed(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = None
    if value is None or "_" in text:
        raise BadValue(f"{name} is {_shown(text)}, not a number")
    return value if value - value == 0 else _finite(name, value)


def _finite(name: str, value: float) -> float:
    if not math.isfinite(value):
        raise BadValue(f"{name} is {value!r}, not a finite number")
    return value


def _shown(value: object) -> str:
    text = repr(value) if isinstance(value, str | int | float | bool) else type(value).__name__
    return text if len(text) <= 60 else f"{text[:57]}..."
