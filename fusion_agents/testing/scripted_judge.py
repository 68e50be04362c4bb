"""A judging model with a script: what it says of an answer is what the test wants it to say."""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from langchain_core.messages import AIMessage, BaseMessage, ToolCall

from fusion_agents.testing.fake_chat import FakeChatModel

_LINE = re.compile(r"^\[(?!end of )([a-z ]+) ([0-9a-f]{12})\]$", re.MULTILINE)


class Seen(NamedTuple):
    """What the model was shown."""

    texts: Mapping[str, str]
    """Such as `question`, `reference`, `answer`; `first` and `second` for a judge that compares."""
    marker: str


Opinion = Callable[[Seen], float | str | Mapping[str, Any]]


def scripted_judge(opinion: Opinion | float | str, **options: Any) -> FakeChatModel:
    """Make a model that gives verdicts as a judge asks for them.

    >>> model = scripted_judge(lambda seen: 1.0 if "42" in seen.texts["answer"] else 0.0)

    Args:
        opinion: A number for every field that wants one; a text is said in words in place of a
            verdict; a dict is the verdict, to which the marker is added where it has none. Or a
            function that gives one of these.
        **options: Of `FakeChatModel`.
    """

    def answer(messages: list[BaseMessage]) -> AIMessage:
        seen = read_shown(str(messages[-1].text))
        said = opinion(seen) if callable(opinion) else opinion
        if isinstance(said, str):
            return AIMessage(said)
        given = said if isinstance(said, Mapping) else _fields(float(said))
        args = {"marker": seen.marker, "reason": "As the script has it.", **given}
        call = ToolCall(name="Verdict", args=args, id="1", type="tool_call")
        return AIMessage("", tool_calls=[call])

    return FakeChatModel(answer=answer, **{"model": "scripted-judge", **options})


def read_shown(prompt: str) -> Seen:
    """Read what stands between a prompt's marked lines."""
    found = _LINE.search(prompt)
    if found is None:
        raise ValueError(f"nothing is marked in the prompt {prompt[:200]!r}")
    marker = found[2]
    parts = re.findall(
        rf"^\[([a-z ]+) {marker}\]\n(.*?)\n\[end of \1 {marker}\]$",
        prompt,
        re.DOTALL | re.MULTILINE,
    )
    return Seen(dict(parts), marker)


def _fields(score: float) -> dict[str, Any]:
    """A verdict for every kind of judge: more than one of them asks for."""
    winner = "tie" if score == 0.5 else "first" if score > 0.5 else "second"
    names = ("score", "correctness", "reasoning", "usefulness")
    return {**dict.fromkeys(names, score), "winner": winner}
