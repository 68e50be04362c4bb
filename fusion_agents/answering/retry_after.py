"""When a provider that refused a call wants to be asked again."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isfinite


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Read seconds to wait from an answer's headers, whose names are in lower case.

    `retry-after-ms` counts before `retry-after`, which holds seconds or a date. A date is compared
    with the answer's own `date` where that is there, so that a clock that is wrong does no harm.

    >>> retry_after({"retry-after-ms": "1500"}), retry_after({"retry-after": "2"})
    (1.5, 2.0)
    >>> retry_after({"retry-after": "Wed, 21 Oct 2026 07:28:05 GMT",
    ...              "date": "Wed, 21 Oct 2026 07:28:00 GMT"})
    5.0
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    value = headers.get("retry-after")
    seconds = _number(value)
    if seconds is not None:
        return seconds
    date = _date(value)
    if date is None:
        return None
    sent = _date(headers.get("date")) or now or datetime.now(UTC)
    return max(0.0, (date - sent).total_seconds())


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return max(0.0, value) if isfinite(value) else None


def _date(text: str | None) -> datetime | None:
    try:
        date = parsedate_to_datetime(text or "")
    except (TypeError, ValueError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
