"""Where a strategy's words go in a conversation that has its own order."""

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage


def question_at(messages: Sequence[BaseMessage]) -> int | None:
    """Place of the last human message that says or shows something; none without one.

    A human message that only carries the results of tools, as some providers want them, asks
    nothing.
    """
    for place in range(len(messages) - 1, -1, -1):
        message = messages[place]
        if isinstance(message, HumanMessage) and not _only_results(message):
            return place
    return None


def _only_results(message: BaseMessage) -> bool:
    content = message.content
    return (
        not isinstance(content, str)
        and bool(content)
        and all(isinstance(b, Mapping) and b.get("type") == "tool_result" for b in content)
    )


def extend_question(messages: Sequence[BaseMessage], words: str) -> list[BaseMessage]:
    r"""Add words to the end of the last human message, in a copy; without one, change nothing.

    >>> [message.content for message in extend_question([HumanMessage("2 + 2?")], "Think.")]
    ['2 + 2?\n\nThink.']
    """
    sent = list(messages)
    place = question_at(sent)
    if place is not None:
        asked = sent[place]
        sent[place] = asked.model_copy(update={"content": _extended(asked.content, words)})
    return sent


def _extended(content: str | list[str | dict[str, Any]], words: str) -> str | list[Any]:
    if isinstance(content, str):
        return f"{content}\n\n{words}" if content.strip() else words
    return [*content, {"type": "text", "text": words}]


def after_system(messages: Sequence[BaseMessage]) -> int | None:
    """Where examples can be put: behind the system prompt, in front of the first human message.

    None where the conversation does not start with a human message, as when an app has cut off
    its beginning: there, pairs of messages would break the order that providers ask for.
    """
    for place, message in enumerate(messages):
        if not isinstance(message, SystemMessage):
            asks = isinstance(message, HumanMessage) and not _only_results(message)
            return place if asks else None
    return None
