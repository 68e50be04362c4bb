"""What a failed call means: whether to repeat it, when, and whether to ask somebody else.

Exceptions are read by what they carry (a status, headers, names of their classes), never by their
type: those of any provider's client fit, and none has to be installed.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

from fusion_agents.answering.retry_after import retry_after

FaultKind = Literal[
    "rate_limit",
    "server_error",
    "timeout",
    "connection",
    "empty",
    "malformed",
    "content_filter",
    "context_overflow",
    "auth",
    "bad_request",
    "other",
]

RETRIED = frozenset({"rate_limit", "server_error", "timeout", "connection", "empty", "malformed"})
"""Kinds that the same arm may do better the next time."""

PROVIDER_IS_DOWN = frozenset({"rate_limit", "server_error", "timeout", "connection", "auth"})
"""Kinds that any query to the same model would meet."""


class Fault(NamedTuple):
    """How a call failed."""

    kind: FaultKind
    reason: str
    """In words, as the provider put it: not yet free of secrets."""
    retry: bool = False
    """Whether the same arm may do better the next time."""
    retry_after: float | None = None
    """Seconds that the provider asks to wait."""


_BY_STATUS: dict[int, FaultKind] = {
    401: "auth",
    402: "auth",
    403: "auth",
    408: "timeout",
    409: "server_error",
    413: "context_overflow",
    425: "server_error",
    429: "rate_limit",
    498: "rate_limit",
    504: "timeout",
}

# The first that fits counts; searched for in the text of a refusal.
_BY_TEXT: tuple[tuple[FaultKind, re.Pattern[str]], ...] = (
    (
        "context_overflow",
        re.compile(
            r"context_length_exceeded|context (?:length|window)|prompt is too long|"
            r"input tokens exceed|too many (?:input )?tokens|ContextWindowExceeded",
            re.IGNORECASE,
        ),
    ),
    (
        "content_filter",
        re.compile(
            r"content[_ ]?filter|content management policy|ResponsibleAI|input was flagged",
            re.IGNORECASE,
        ),
    ),
)

# The first that fits counts; searched for in the names of an exception's classes.
_BY_NAME: tuple[tuple[FaultKind, re.Pattern[str]], ...] = (
    ("context_overflow", re.compile(r"Context(?:Overflow|Length|Window)")),
    ("content_filter", re.compile(r"ContentFilter|ContentPolicy|Refusal")),
    ("rate_limit", re.compile(r"RateLimit|TooManyRequests|Throttl|ResourceExhausted|QuotaExceed")),
    ("auth", re.compile(r"Authenticat|Unauthenticat|PermissionDenied|Unauthorized|Forbidden")),
    ("malformed", re.compile(r"JSONDecode|ResponseValidation|OutputParser|LengthFinish")),
    ("timeout", re.compile(r"Time(?:d)?[oO]ut|DeadlineExceeded")),
    (
        "connection",
        re.compile(
            r"Connect|NetworkError|Protocol(?:Error|Exception)|(?:Read|Write)Error|Disconnect|"
            r"SSLError|gaierror|IncompleteRead|ServiceUnavailable"
        ),
    ),
    ("server_error", re.compile(r"InternalServer|ServerError|Overloaded")),
    ("bad_request", re.compile(r"BadRequest|InvalidRequest|InvalidArgument|NotFound|Unprocess")),
)

# What clients raise where an answer lacks what an answer has: of no telling type.
_MALFORMED = re.compile(
    r"Unexpected response type|null value for 'choices'|missing 'choices'|list index out of range"
)
_EMPTY = re.compile(r"No generations? (?:chunks|found|were)")
_HOPELESS = re.compile(r"insufficient_quota|exceeded your current quota|billing", re.IGNORECASE)


_OTHER_LOOP = re.compile(r"Event loop is closed|different (?:event )?loop")


def classify(error: Exception) -> Fault:
    """Say what an exception of a model's client means.

    A connection that an earlier event loop left behind is no fault of the provider's: the client
    forgets it, and the call is repeated at once.
    """
    for link in _causes(error):
        if isinstance(link, RuntimeError) and _OTHER_LOOP.search(str(link)):
            return Fault("other", _words(link), retry=True, retry_after=0.0)
        fault = _classified(link)
        if fault is not None:
            return fault
    return Fault("other", _words(error))


def misfit(error: Exception) -> Fault | None:
    """The fault of a reply that a client itself could not fit into the schema; none if it is not.

    Only for calls with a schema: in others, such an exception is about the request.
    """
    for link in _causes(error):
        if any(family.__name__ == "ValidationError" for family in type(link).__mro__):
            return Fault("malformed", f"the answer does not fit the schema: {_words(link)}", True)
    return None


def _classified(error: BaseException) -> Fault | None:
    text = _details(error)
    kind = _kind(error, _status(error), text)
    if kind is None:
        return None
    headers = _headers(error)
    retry = kind in RETRIED and headers.get("x-should-retry") != "false"
    if kind == "rate_limit" and _HOPELESS.search(text):
        retry = False
    return Fault(kind, _words(error), retry, retry_after(headers) if retry else None)


def _kind(error: BaseException, status: int | None, text: str) -> FaultKind | None:
    if status is None or status in (400, 404, 413, 422):
        for kind, pattern in _BY_NAME[:2]:
            if _named(error, pattern):
                return kind
    if status is not None and 400 <= status < 600:
        return _kind_of_status(status, text)
    return _kind_of_name(error, text)


def _kind_of_status(status: int, text: str) -> FaultKind:
    if status == 403 and _BY_TEXT[1][1].search(text):
        return "content_filter"  # so OpenRouter; it says nothing of the key
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status >= 500:
        return "server_error"
    for kind, pattern in _BY_TEXT:
        if pattern.search(text):
            return kind
    return "bad_request"


def _kind_of_name(error: BaseException, text: str) -> FaultKind | None:
    for kind, pattern in _BY_NAME:
        if _named(error, pattern):
            return kind
    if _MALFORMED.search(text):
        return "malformed"
    if _EMPTY.search(text):
        return "empty"
    return "connection" if isinstance(error, OSError) else None


def _named(error: BaseException, pattern: re.Pattern[str]) -> bool:
    return any(pattern.search(family.__name__) for family in type(error).__mro__)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The exception and what led to it, at most five deep."""
    link: BaseException | None = error
    for _ in range(5):
        if link is None:
            return
        yield link
        group = getattr(link, "exceptions", None)
        led = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
        link = group[0] if isinstance(link, BaseExceptionGroup) and group else led


def _status(error: BaseException) -> int | None:
    response = getattr(error, "response", None)
    candidates = [
        *(getattr(error, name, None) for name in ("status_code", "status", "http_status", "code")),
        getattr(response, "status_code", None),
        _dig(response, "ResponseMetadata", "HTTPStatusCode"),
        _dig(error.args[0] if error.args else None, "code"),
    ]
    for value in candidates:
        number = getattr(value, "value", value)
        if isinstance(number, str) and number.isdecimal():
            number = int(number)
        if isinstance(number, int) and 400 <= number < 600:
            return number
    return None


def _headers(error: BaseException) -> Mapping[str, str]:
    response = getattr(error, "response", None)
    headers = (
        getattr(response, "headers", None)
        or _dig(response, "ResponseMetadata", "HTTPHeaders")
        or getattr(error, "headers", None)
    )
    try:
        return {str(name).lower(): str(value) for name, value in dict(headers or {}).items()}
    except (TypeError, ValueError):
        return {}


def _dig(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _details(error: BaseException) -> str:
    """All that an exception says, with the codes that only its attributes have."""
    codes = (getattr(error, name, None) for name in ("code", "type", "error_code"))
    return " ".join([str(error), *(code for code in codes if isinstance(code, str))])


def _words(error: BaseException) -> str:
    """The first 500 characters of what an exception says, with its class."""
    text = " ".join(str(error).split())
    name = type(error).__name__
    return f"{name}: {text[:500]}" if text else name
