"""What an app passes in: messages, the query that they ask, what a model must be able to do."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.messages.utils import convert_to_messages, count_tokens_approximately
from langchain_core.prompt_values import PromptValue

from fusion_agents.errors import DataError

ChainInput = str | PromptValue | Sequence[Any] | Mapping[str, Any]
"""A text, a prompt value, messages in any form LangChain knows, or a dict with one of `KEYS`."""

KEYS = ("input", "messages", "question", "query")
"""Where a dict may hold what is asked; the first that is there and not none counts."""

_PICTURES = frozenset({"image", "image_url", "input_image"})
_ATTACHED = _PICTURES | {"audio", "document", "file", "input_audio", "input_file", "media", "video"}


class Needs(NamedTuple):
    """What a model must be able to do to answer."""

    tokens: int = 0
    """Length of the messages; see `estimated_tokens`."""
    tools: bool = False
    vision: bool = False
    structured_output: bool = False


def to_messages(value: ChainInput) -> list[BaseMessage]:
    """Read what an app passed in.

    Raises:
        DataError: If it is empty, or of a kind that holds no messages.

    >>> [message.content for message in to_messages({"question": "2 + 2?"})]
    ['2 + 2?']
    """
    if isinstance(value, Mapping) and not ("role" in value and "content" in value):
        found = next((value[key] for key in KEYS if value.get(key) is not None), None)
        if found is None:
            held = (f"{key} (none)" if value[key] is None else str(key) for key in value)
            raise DataError(
                f"a dict must hold one of {', '.join(KEYS)}; this one holds "
                f"{', '.join(held) or 'nothing'}"
            )
        return to_messages(found)
    if isinstance(value, PromptValue):
        messages = value.to_messages()
    elif isinstance(value, str):
        messages = [HumanMessage(value)]
    else:
        messages = _converted([value] if isinstance(value, BaseMessage | Mapping) else value)
    if not messages:
        raise DataError("there are no messages: pass a text or at least one message")
    return messages


def _converted(value: Sequence[Any]) -> list[BaseMessage]:
    try:
        return convert_to_messages(value)
    except (TypeError, ValueError, NotImplementedError) as error:
        raise DataError(
            f"cannot read messages from {type(value).__name__}: pass a text, messages, a prompt "
            f"value or a dict with one of {', '.join(KEYS)}"
        ) from error


def query_text(messages: Sequence[BaseMessage]) -> str:
    """The query that a conversation asks: the text of its last human message.

    Without one, the text of the last message counts.

    >>> query_text([HumanMessage("2 + 2?"), AIMessage("4"), HumanMessage("And 3 + 3?")])
    'And 3 + 3?'
    """
    if not messages:
        return ""
    asked = (message for message in reversed(messages) if isinstance(message, HumanMessage))
    return str(next(asked, messages[-1]).text)


def needs_of(
    messages: Sequence[BaseMessage], *, tools: bool = False, structured_output: bool = False
) -> Needs:
    """What these messages, and what is bound to the call, ask of a model."""
    used = any(
        isinstance(message, ToolMessage) or (isinstance(message, AIMessage) and message.tool_calls)
        for message in messages
    )
    return Needs(
        tokens=estimated_tokens(messages),
        tools=tools or used,
        vision=any(_has_picture(message) for message in messages),
        structured_output=structured_output,
    )


def estimated_tokens(messages: Sequence[BaseMessage]) -> int:
    """Length of messages at four characters a token; a picture or a file counts as 85 tokens.

    The base64 of a file says little about what a model makes of it. A file that is too long for
    a model is refused by its provider.

    >>> estimated_tokens([HumanMessage([{"type": "file", "base64": "A" * 100_000}])]) < 100
    True
    """
    return count_tokens_approximately([_without_data(message) for message in messages])


def _without_data(message: BaseMessage) -> BaseMessage:
    if isinstance(message.content, str) or not any(map(_is_attached, message.content)):
        return message
    content = [{"type": "image"} if _is_attached(block) else block for block in message.content]
    return message.model_copy(update={"content": content})


def _is_attached(block: object) -> bool:
    return isinstance(block, Mapping) and block.get("type") in _ATTACHED


def _has_picture(message: BaseMessage) -> bool:
    return not isinstance(message.content, str) and any(
        isinstance(block, Mapping) and block.get("type") in _PICTURES for block in message.content
    )


def in_tool_loop(messages: Sequence[BaseMessage]) -> bool:
    """Whether the conversation is between a model's tool call and its next words to the human."""
    for message in reversed(messages):
        if isinstance(message, ToolMessage):
            return True
        if isinstance(message, HumanMessage):
            return False
    return False
