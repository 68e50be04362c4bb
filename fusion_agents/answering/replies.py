"""Whether a message is an answer, and what it used."""

from collections.abc import Mapping
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage

from fusion_agents.answering.faults import Fault
from fusion_agents.types import Usage

_FILTERED = frozenset(
    {
        "content_filter",
        "content_filtered",
        "guardrail_intervened",
        "refusal",
        "safety",
        "recitation",
        "blocklist",
        "prohibited_content",
        "spii",
    }
)
_LENGTH = frozenset({"length", "max_tokens", "model_length"})
_OTHER_CONTENT = ("audio", "function_call", "tool_calls", "reasoning_content", "reasoning")
_THOUGHTS = frozenset({"reasoning", "thinking", "redacted_thinking"})


def judge(message: object) -> Fault | None:
    """Say why a reply is no answer; none if it is one."""
    if not isinstance(message, AIMessage):
        return Fault("malformed", f"a {type(message).__name__} in place of a message", retry=True)
    finish = finish_reason(message)
    if finish.lower() in _FILTERED:
        return Fault("content_filter", f"the answer was withheld: finish reason {finish!r}")
    if _answers(message):
        return None
    refusal = message.additional_kwargs.get("refusal")
    if refusal:
        return Fault("content_filter", f"the model refused: {str(refusal)[:200]}")
    if message.invalid_tool_calls:
        error = message.invalid_tool_calls[0].get("error")
        return Fault("malformed", f"the tool call cannot be read: {error}", retry=True)
    if finish.lower() in _LENGTH:
        return Fault("empty", f"no words before the length limit: finish reason {finish!r}")
    return Fault("empty", "the answer is empty", retry=True)


def judge_stream(message: AIMessage | None) -> Fault | None:
    """Say why a stream that has ended is no answer; `message` is all of it."""
    if message is None:
        return Fault("empty", "the stream ended without a word", retry=True)
    metadata = message.response_metadata
    whole = finish_reason(message) or metadata.get("status")
    if metadata.get("model_provider") == "openai" and not whole and says_something(message):
        return Fault("connection", "the stream ended in the middle of the answer", retry=True)
    return judge(message)


def judge_parsed(parsed: object, error: BaseException | None) -> Fault | None:
    """Say why structured output is none; none if it is what was asked for."""
    if error is not None:
        name = type(error).__name__
        words = " ".join(str(error).split())[:300]
        if "Refusal" in name:
            return Fault("content_filter", f"the model refused: {words}")
        return Fault("malformed", f"the answer does not fit the schema: {name}: {words}", True)
    if parsed is None:
        return Fault("malformed", "the answer has nothing of the schema in it", retry=True)
    return None


def finish_reason(message: BaseMessage) -> str:
    """Why the model stopped, in the provider's words; empty if it did not say."""
    metadata = message.response_metadata
    return str(
        metadata.get("finish_reason") or metadata.get("stop_reason") or metadata.get("reason") or ""
    )


def model_version(message: BaseMessage) -> str | None:
    """The provider's exact name of the model that answered; none if it did not say."""
    metadata = message.response_metadata
    name = metadata.get("model_name") or metadata.get("model")
    return str(name) if name else None


def says_something(message: BaseMessage) -> bool:
    """Whether a message or chunk holds words, a tool call, thoughts or other content."""
    if _answers(message):
        return True
    if getattr(message, "tool_call_chunks", None):
        return True
    if any(message.additional_kwargs.get(name) for name in _OTHER_CONTENT):
        return True
    return not isinstance(message.content, str) and any(
        isinstance(block, Mapping) and block.get("type") in _THOUGHTS for block in message.content
    )


def _answers(message: BaseMessage) -> bool:
    if getattr(message, "tool_calls", None):
        return True
    if any(message.additional_kwargs.get(name) for name in _OTHER_CONTENT[:3]):
        return True
    if isinstance(message.content, str):
        return bool(message.content.strip())
    return any(_block_answers(block) for block in message.content)


def _block_answers(block: Any) -> bool:
    if isinstance(block, str):
        return bool(block.strip())
    kind = block.get("type")
    if kind in _THOUGHTS:
        return False
    if kind in ("text", None) or "text" in block:
        return bool(str(block.get("text") or "").strip())
    return True


def usage_of(message: BaseMessage | None) -> Usage:
    """What the provider said that a reply used."""
    usage = getattr(message, "usage_metadata", None)
    if not usage:
        return Usage()
    return Usage(
        input_tokens=_count(usage.get("input_tokens")),
        output_tokens=_count(usage.get("output_tokens")),
        cached_tokens=_count((usage.get("input_token_details") or {}).get("cache_read")),
        reasoning_tokens=_count((usage.get("output_token_details") or {}).get("reasoning")),
    )


def _count(value: Any) -> int | None:
    return max(0, int(value)) if isinstance(value, int | float) else None
