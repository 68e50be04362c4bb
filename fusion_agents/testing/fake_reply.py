"""What a made-up model replies: words, JSON or calls of the tools that it was given."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolCall, ToolMessage

from fusion_agents.conversation import query_text
from fusion_agents.errors import ConfigError
from fusion_agents.testing.fake_schema import Inventor

M = TypeVar("M", bound=BaseMessage)

Tool = Mapping[str, Any]
"""As OpenAI takes it: `{"type": "function", "function": {"name": ..., "parameters": ...}}`."""

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_ORDINARY = frozenset({"a", "an", "and", "by", "do", "for", "get", "in", "is", "of", "on", "run"})
_ANY = ("any", "required", True)
CHARACTERS_PER_TOKEN = 4


class Reply(NamedTuple):
    """What the model says."""

    text: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: str = "stop"

    @property
    def tokens(self) -> int:
        """Estimated length, at four characters a token."""
        length = len(self.text) + sum(
            len(call["name"]) + len(json.dumps(call["args"])) for call in self.tool_calls
        )
        return -(-length // CHARACTERS_PER_TOKEN)

    def cut(self, stop: Sequence[str], max_tokens: int | None) -> "Reply":
        """End the text before the first stop sequence and after so many tokens."""
        text = self.text
        for sequence in stop:
            text = text.partition(sequence)[0] if sequence else text
        most = None if max_tokens is None else max_tokens * CHARACTERS_PER_TOKEN
        if most is not None and len(text) > most:
            return self._replace(text=text[:most], finish_reason="length")
        return self._replace(text=text)


def reply_in_words(messages: Sequence[BaseMessage], model: str) -> str:
    """Say who was asked what, or what a tool found."""
    results = _since_last_human(messages, ToolMessage)
    if results:
        return f"{model} was told: {'; '.join(str(result.text) for result in results)}"
    return f"{model} was asked: {query_text(messages)}"


def reply_in_json(messages: Sequence[BaseMessage], wanted: Mapping[str, Any], text: str) -> str:
    """Say it as `response_format` wants it; a text that is a JSON object already is kept."""
    if _is_object(text):
        return text
    described = wanted.get("json_schema", wanted)
    schema = described.get("schema")
    value = (
        {"answer": text}
        if schema is None
        else Inventor(query_text(messages), schema).invent(schema)
    )
    return json.dumps(value, ensure_ascii=False)


def calls_for(
    messages: Sequence[BaseMessage], tools: Sequence[Tool], choice: Any
) -> tuple[ToolCall, ...]:
    """Decide which tools to call, and make up their arguments.

    Unless a call is demanded, those whose name the query says are called, else the one whose
    name shares most words with it; none once there are results to talk about.

    Raises:
        ConfigError: If `choice` demands a tool that is not there.
    """
    query = query_text(messages)
    chosen = _chosen(messages, tools, choice, query)
    return tuple(_call(tool, query, f"call_{len(messages)}_{i}") for i, tool in enumerate(chosen))


def _chosen(
    messages: Sequence[BaseMessage], tools: Sequence[Tool], choice: Any, query: str
) -> list[Tool]:
    if choice in _ANY:
        called = {
            call["name"]
            for message in _since_last_human(messages, AIMessage)
            for call in message.tool_calls
        }
        left = [tool for tool in tools if _name(tool) not in called] or list(tools)
        return _asked_for(left, query) or left[:1]
    if choice in (None, False, "auto"):
        return [] if _since_last_human(messages, ToolMessage) else _asked_for(tools, query)
    if choice == "none":
        return []
    demanded = name_of_choice(choice)
    found = [tool for tool in tools if _name(tool) == demanded]
    if not found:
        known = ", ".join(map(_name, tools)) or "none"
        raise ConfigError(f"tool choice {demanded!r} is not among the bound tools: {known}")
    return found[:1]


def name_of_choice(choice: Any) -> str:
    """Read the tool's name out of `tool_choice`, a name or a dict as providers take it."""
    if isinstance(choice, Mapping):
        function = choice.get("function", choice)
        return str(function.get("name"))
    return str(choice)


def _asked_for(tools: Sequence[Tool], query: str) -> list[Tool]:
    named = [tool for tool in tools if re.search(rf"(?<!\w){re.escape(_name(tool))}(?!\w)", query)]
    if named:
        return named
    said = _words(query)
    shared = [len(_words(_name(tool)) & said) for tool in tools]
    return [tools[shared.index(max(shared))]] if any(shared) else []


def _words(text: str) -> set[str]:
    return {word.lower() for word in _WORD.findall(text)} - _ORDINARY


def _call(tool: Tool, query: str, number: str) -> ToolCall:
    parameters = tool["function"].get("parameters") or {"type": "object"}
    args = Inventor(query, parameters).invent(parameters)
    return ToolCall(name=_name(tool), args=args, id=number, type="tool_call")


def _name(tool: Tool) -> str:
    return str(tool["function"]["name"])


def _since_last_human(messages: Sequence[BaseMessage], kind: type[M]) -> list[M]:
    since: list[M] = []
    for message in reversed(messages):
        if isinstance(message, HumanMessage):
            break
        if isinstance(message, kind):
            since.insert(0, message)
    return since


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False
