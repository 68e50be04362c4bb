"""A judging model with a script: what it says of an answer is what the test wants it to say."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from langchain_core.messages import AIMessage, BaseMessage, ToolCall
from langchain_core.runnables import Runnable

from fusion_agents.testing.fake_chat import FakeChatModel

_LINE = re.compile(r"^\[([a-z ]+) ([0-9a-f]{12})\]$", re.MULTILINE)


class Seen(NamedTuple):
    """What the model was shown."""

    texts: Mapping[str, str]
    """Such as `question`, `reference`, `answer`; `first answer` and `second answer` for a judge
    that compares."""
    marker: str


Opinion = Callable[[Seen], float | str | Mapping[str, Any]]


class JsonChatModel(FakeChatModel):
    """Gives structured output as JSON in its words, as some providers do, not by a tool call."""

    def with_structured_output(
        self, schema: dict[str, Any] | type, *, method: str = "json_schema", **kwargs: Any
    ) -> Runnable[Any, Any]:
        """Answer as the schema wants it."""
        return super().with_structured_output(schema, method=method, **kwargs)


def scripted_judge(
    opinion: Opinion | float | str | Mapping[str, Any], *, in_json: bool = False, **options: Any
) -> FakeChatModel:
    """Make a model that gives verdicts as a judge asks for them.

    >>> model = scripted_judge(lambda seen: 1.0 if "42" in seen.texts["answer"] else 0.0)

    Args:
        opinion: A number for every field that wants one (above one half, the first of two answers
            wins); a text is said in words in place of a verdict; a dict is the verdict, to which
            the marker is added where it has none. Or a function that gives one of these.
        in_json: Whether it says a verdict in words, as JSON, and not by a tool call.
        **options: Of `FakeChatModel`.
    """

    def answer(messages: list[BaseMessage]) -> AIMessage:
        seen = read_shown(str(messages[-1].text))
        said = opinion(seen) if callable(opinion) else opinion
        if isinstance(said, str):
            return AIMessage(said)
        given = said if isinstance(said, Mapping) else _fields(float(said))
        args = {"reason": "As the script has it.", "marker": seen.marker, **given}
        if in_json:
            return AIMessage(json.dumps(args))
        return AIMessage("", tool_calls=[ToolCall(name="Verdict", args=args, id="1")])

    kind = JsonChatModel if in_json else FakeChatModel
    return kind(answer=answer, **{"model": "scripted-judge", **options})


def read_shown(prompt: str) -> Seen:
    """Read what stands between a prompt's marked lines.

    Raises:
        ValueError: If there are none.
    """
    first = _LINE.search(prompt)
    if first is None:
        raise ValueError(f"nothing is marked in the prompt {prompt[:200]!r}")
    marker = first[2]
    lines = re.compile(
        rf"^\[([a-z ]+) {marker}\]\n(.*?)\n\[end of \1 {marker}\]$", re.DOTALL | re.MULTILINE
    )
    return Seen(dict(lines.findall(prompt)), marker)


def _fields(score: float) -> dict[str, Any]:
    """A verdict for every kind of judge: more than one of them asks for."""
    winner = "tie" if score == 0.5 else "first" if score > 0.5 else "second"
    names = ("score", "correctness", "reasoning", "usefulness")
    return {**dict.fromkeys(names, score), "winner": winner}
