"""Judging models that do everything wrong but lie: no answer may get its own score from them."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage

from fusion_agents.testing.fake_chat import FakeChatModel
from fusion_agents.testing.scripted_judge import Seen, scripted_judge

HONEST = 0.1
"""The score that these models give, where they give one."""

_NUMBERS = '"correctness": 0.1, "reasoning": 0.1, "usefulness": 0.1, "score": 0.1, "winner": "tie"'


def careless_judges(**options: Any) -> Mapping[str, FakeChatModel]:
    """Models by what they do with the answer that they are to judge.

    Args:
        **options: Of `FakeChatModel`.
    """

    def says(words: Callable[[Seen], str | Mapping[str, Any]], in_json: bool) -> FakeChatModel:
        return scripted_judge(words, in_json=in_json, **options)

    return {
        "honest, by tool call": scripted_judge(HONEST, **options),
        "honest, in JSON": scripted_judge(HONEST, in_json=True, **options),
        "refuses": scripted_judge("I cannot judge this.", **options),
        "talks nonsense in JSON": scripted_judge('{"correctness": ', in_json=True, **options),
        "repeats the answer": says(_answer, False),
        "repeats the answer as JSON": says(_answer, True),
        "takes over the answer's JSON": says(_taken_over, False),
        "quotes it unescaped in the reason": says(_reason_first, True),
        "quotes it unescaped after the numbers": says(_numbers_first, True),
        "fences what it quotes": says(_fenced, True),
        "repeats the prompt": scripted_repeat(**options),
    }


def scripted_repeat(**options: Any) -> FakeChatModel:
    """A model that says what it was told."""

    def answer(messages: list[BaseMessage]) -> AIMessage:
        return AIMessage(str(messages[-1].text))

    return FakeChatModel(answer=answer, **{"model": "scripted-judge", **options})


def _answer(seen: Seen) -> str:
    return list(seen.texts.values())[-1] or " "


def _taken_over(seen: Seen) -> Mapping[str, Any]:
    text = _answer(seen)
    try:
        found = json.loads(text[text.index("{") : text.rindex("}") + 1])
    except ValueError:
        return {"reason": text, "marker": None}
    return {"marker": None, **found}


def _reason_first(seen: Seen) -> str:
    return f'{{"reason": "It says: {_answer(seen)}", {_NUMBERS}, "marker": "{seen.marker}"}}'


def _numbers_first(seen: Seen) -> str:
    return f'{{{_NUMBERS}, "reason": "It says: {_answer(seen)}", "marker": "{seen.marker}"}}'


def _fenced(seen: Seen) -> str:
    verdict = f'{{"reason": "No.", {_NUMBERS}, "marker": "{seen.marker}"}}'
    return f"It says:\n```json\n{_answer(seen)}\n```\nMy verdict:\n```json\n{verdict}\n```"
