"""Which messages are answers."""

from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage

from fusion_agents.answering.replies import judge, judge_parsed, judge_stream, usage_of
from fusion_agents.types import Usage


@pytest.mark.parametrize(
    "message",
    [
        AIMessage("42"),
        AIMessage("", tool_calls=[{"name": "add", "args": {}, "id": "1"}]),
        AIMessage([{"type": "text", "text": "42"}]),
        AIMessage(["42"]),
        AIMessage([{"type": "image", "url": "http://localhost/1.png"}]),
        AIMessage("", additional_kwargs={"audio": {"id": "1"}}),
        AIMessage("cut of", response_metadata={"finish_reason": "length"}),
    ],
)
def test_these_are(message: AIMessage) -> None:
    assert judge(message) is None


@pytest.mark.parametrize(
    ("message", "kind", "retry"),
    [
        (AIMessage(""), "empty", True),
        (AIMessage(" \n\t"), "empty", True),
        (AIMessage([]), "empty", True),
        (AIMessage([{"type": "text", "text": ""}]), "empty", True),
        (AIMessage([{"type": "reasoning", "reasoning": "hm"}]), "empty", True),
        (AIMessage("", response_metadata={"finish_reason": "length"}), "empty", False),
        (AIMessage("I", response_metadata={"finish_reason": "content_filter"}), "content_filter", False),  # noqa: E501
        (AIMessage("I", response_metadata={"finish_reason": "SAFETY"}), "content_filter", False),
        (AIMessage("I", response_metadata={"stop_reason": "refusal"}), "content_filter", False),
        (AIMessage("", additional_kwargs={"refusal": "I will not"}), "content_filter", False),
        (
            AIMessage(
                "", invalid_tool_calls=[{"name": "add", "args": "{", "id": "1", "error": "no"}]
            ),
            "malformed",
            True,
        ),
        ("42", "malformed", True),
        (None, "malformed", True),
        (HumanMessage("42"), "malformed", True),
    ],
)  # fmt: skip
def test_these_are_not(message: Any, kind: str, retry: bool) -> None:
    fault = judge(message)

    assert fault is not None
    assert (fault.kind, fault.retry) == (kind, retry)


def test_structured_output_is_there_and_fits() -> None:
    assert judge_parsed({"a": 1}, None) is None
    assert judge_parsed(0, None) is None
    assert judge_parsed(None, None).kind == "malformed"  # type: ignore[union-attr]
    assert judge_parsed(None, ValueError("no")).kind == "malformed"  # type: ignore[union-attr]


def test_a_refusal_in_place_of_structured_output_is_one() -> None:
    class OpenAIRefusalError(Exception):
        pass

    fault = judge_parsed(None, OpenAIRefusalError("I will not"))

    assert fault is not None
    assert fault.kind == "content_filter"


def test_a_stream_of_nothing_is_empty() -> None:
    fault = judge_stream(None)

    assert fault is not None
    assert fault.kind == "empty"


def test_usage_is_what_the_provider_said() -> None:
    message = AIMessage(
        "42",
        usage_metadata={
            "input_tokens": 10,
            "output_tokens": 5,
            "total_tokens": 15,
            "input_token_details": {"cache_read": 4},
            "output_token_details": {"reasoning": 2},
        },
    )

    assert usage_of(message) == Usage(
        input_tokens=10, output_tokens=5, cached_tokens=4, reasoning_tokens=2
    )
    assert usage_of(AIMessage("42")) == usage_of(None) == Usage()
