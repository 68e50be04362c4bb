"""Generated questions of several families, each with its exact answer."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fusion_agents.simulation import arithmetic, code, dates, logic, strings, triage, units
from fusion_agents.simulation.drawing import Draft, pick

_FAMILIES = {
    "arithmetic": arithmetic.KINDS,
    "code": code.KINDS,
    "dates": dates.KINDS,
    "logic": logic.KINDS,
    "strings": strings.KINDS,
    "units": units.KINDS,
}
_MORE = {"triage": triage.KINDS}
_ALL = {**_FAMILIES, **_MORE}
FAMILIES: tuple[str, ...] = tuple(_FAMILIES)
"""Names of the families that are drawn by default, in alphabetical order."""

MORE_FAMILIES: tuple[str, ...] = tuple(_MORE)
"""Names of those that are drawn on request alone, likewise."""

_OPENINGS = ("", "", "", "", "Quick one: ", "Please help: ", "For a quiz: ", "I wonder: ")


class Question(NamedTuple):
    """A question with its exact answer."""

    family: str
    text: str
    answer: str
    difficulty: float
    """In [0, 1]; the simulated models err more often on hard questions."""


def generate_questions(n: int, seed: int = 0, families: Sequence[str] = FAMILIES) -> list[Question]:
    """Make `n` different questions, the families in equal shares and random order.

    The same seed gives the same questions; a longer list starts with the shorter one.

    Args:
        n: How many.
        seed: Other seeds give other questions.
        families: Of `FAMILIES` and `MORE_FAMILIES`.

    Raises:
        ValueError: If there is no such family.
    """
    if unknown := [family for family in families if family not in _ALL] or not families:
        raise ValueError(f"no family of questions {unknown!r}; there are {', '.join(_ALL)}")
    rng = np.random.default_rng(seed)
    questions: list[Question] = []
    seen: set[str] = set()
    while len(questions) < n:
        for family in rng.permutation(list(families)).tolist():
            draft = _new(rng, family, seen)
            difficulty = min(max(draft.difficulty, 0.0), 1.0)
            questions.append(Question(family, draft.text, draft.answer, difficulty))
    return questions[:n]


def _new(rng: np.random.Generator, family: str, seen: set[str]) -> Draft:
    while True:
        draft = pick(rng, _ALL[family])(rng)
        if draft.text not in seen:
            seen.add(draft.text)
            return draft._replace(text=pick(rng, _OPENINGS) + draft.text)
