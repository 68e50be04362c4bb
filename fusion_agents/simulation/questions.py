"""Generated questions of six families, each with its exact answer."""

from typing import NamedTuple

import numpy as np

from fusion_agents.simulation import arithmetic, code, dates, logic, strings, units
from fusion_agents.simulation.drawing import Draft, pick

_FAMILIES = {
    "arithmetic": arithmetic.KINDS,
    "code": code.KINDS,
    "dates": dates.KINDS,
    "logic": logic.KINDS,
    "strings": strings.KINDS,
    "units": units.KINDS,
}
FAMILIES: tuple[str, ...] = tuple(_FAMILIES)
"""Names of the families, in alphabetical order."""

_OPENINGS = ("", "", "", "", "Quick one: ", "Please help: ", "For a quiz: ", "I wonder: ")


class Question(NamedTuple):
    """A question with its exact answer."""

    family: str
    text: str
    answer: str
    difficulty: float
    """In [0, 1]; the simulated models err more often on hard questions."""


def generate_questions(n: int, seed: int = 0) -> list[Question]:
    """Make `n` different questions, the families in equal shares and random order.

    The same seed gives the same questions; a longer list starts with the shorter one.
    """
    rng = np.random.default_rng(seed)
    questions: list[Question] = []
    seen: set[str] = set()
    while len(questions) < n:
        for family in rng.permutation(FAMILIES).tolist():
            draft = _new(rng, family, seen)
            difficulty = min(max(draft.difficulty, 0.0), 1.0)
            questions.append(Question(family, draft.text, draft.answer, difficulty))
    return questions[:n]


def _new(rng: np.random.Generator, family: str, seen: set[str]) -> Draft:
    while True:
        draft = pick(rng, _FAMILIES[family])(rng)
        if draft.text not in seen:
            seen.add(draft.text)
            return draft._replace(text=pick(rng, _OPENINGS) + draft.text)
