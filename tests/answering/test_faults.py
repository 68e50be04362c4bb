"""What exceptions mean, whoever raises them."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
from langchain_core.exceptions import ContextOverflowError, ModelRateLimitError

from fusion_agents.answering.faults import classify


class ProviderError(Exception):
    """What clients have in common: an exception with a status or a response."""

    def __init__(self, text: str = "no", **attributes: Any) -> None:
        super().__init__(text)
        vars(self).update(attributes)


class ReadTimeout(Exception):  # noqa: N818
    pass


class RemoteProtocolError(Exception):
    pass


class ThrottlingException(Exception):  # noqa: N818
    pass


def response(status: int, **headers: str) -> SimpleNamespace:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return SimpleNamespace(status_code=status, headers=named)


@pytest.mark.parametrize(
    ("error", "kind", "retry"),
    [
        (ProviderError(status_code=429), "rate_limit", True),
        (ProviderError(response=response(429)), "rate_limit", True),
        (ProviderError(code=429), "rate_limit", True),
        (ProviderError(code=SimpleNamespace(value=503)), "server_error", True),
        (ProviderError(http_status="500"), "server_error", True),
        (ProviderError(status_code=529), "server_error", True),
        (ProviderError("insufficient_quota", status_code=429), "rate_limit", False),
        (
            ProviderError(response={"ResponseMetadata": {"HTTPStatusCode": 429}}),
            "rate_limit",
            True,
        ),
        (ValueError({"message": "slow down", "code": 429}), "rate_limit", True),
        (ProviderError(status_code=408), "timeout", True),
        (ProviderError(status_code=504), "timeout", True),
        (ProviderError(status_code=401), "auth", False),
        (ProviderError(status_code=402), "auth", False),
        (ProviderError(status_code=403), "auth", False),
        (ProviderError(status_code=400), "bad_request", False),
        (ProviderError(status_code=404), "bad_request", False),
        (ProviderError(status_code=422), "bad_request", False),
        (ProviderError("maximum context length is 8k", status_code=400), "context_overflow", False),
        (ProviderError("ContentFilter: jailbreak", status_code=400), "content_filter", False),
        (ProviderError("your input was flagged", status_code=403), "content_filter", False),
        (ProviderError(status_code=413), "context_overflow", False),
        (ContextOverflowError("too long"), "context_overflow", False),
        (ModelRateLimitError("slow down"), "rate_limit", True),
        (ThrottlingException("slow down"), "rate_limit", True),
        (ReadTimeout(), "timeout", True),
        (TimeoutError(), "timeout", True),
        (ConnectionResetError(), "connection", True),
        (RemoteProtocolError("peer closed connection"), "connection", True),
        (OSError("no route to host"), "connection", True),
        (json.JSONDecodeError("expecting value", "<", 0), "malformed", True),
        (IndexError("list index out of range"), "malformed", True),
        (ValueError("No generation chunks were returned"), "empty", True),
        (TypeError("unexpected keyword argument"), "other", False),
        (RuntimeError("strange"), "other", False),
        (ProviderError(code=5), "other", False),
        (ProviderError(status_code=200), "other", False),
    ],
)
def test_an_exception_has_a_kind(error: Exception, kind: str, retry: bool) -> None:
    fault = classify(error)

    assert (fault.kind, fault.retry) == (kind, retry)
    assert fault.reason


def test_a_cause_counts_where_the_exception_itself_says_nothing() -> None:
    error = RuntimeError("the model failed")
    error.__cause__ = ProviderError(response=response(429, retry_after="3"))

    assert classify(error)[:1] == ("rate_limit",)
    assert classify(error).retry_after == 3.0


def test_the_first_of_a_group_counts() -> None:
    group = ExceptionGroup("all failed", [ProviderError(status_code=429), ValueError("no")])

    assert classify(group).kind == "rate_limit"


def test_a_code_counts_that_the_message_does_not_repeat() -> None:
    error = ProviderError("too long", status_code=400, code="context_length_exceeded")

    assert classify(error).kind == "context_overflow"


def test_the_server_may_forbid_to_repeat() -> None:
    error = ProviderError(response=response(503, x_should_retry="false"))

    assert not classify(error).retry


def test_a_wait_that_is_asked_for_is_read_from_headers_of_any_case() -> None:
    refusal = SimpleNamespace(status_code=429, headers={"Retry-After": "7"})

    assert classify(ProviderError(response=refusal)).retry_after == 7.0
    assert classify(ProviderError(status_code=429)).retry_after is None


def test_headers_that_cannot_be_read_are_no_headers() -> None:
    refusal = SimpleNamespace(status_code=429, headers=17)

    assert classify(ProviderError(response=refusal)).kind == "rate_limit"


def test_a_reason_is_one_line_of_bounded_length() -> None:
    reason = classify(RuntimeError("a\n" * 10_000)).reason

    assert "\n" not in reason
    assert len(reason) < 600
