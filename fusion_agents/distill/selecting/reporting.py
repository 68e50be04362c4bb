"""The account of a selection: every answer and every question is taken, or dropped for one reason.

Checks come in stages. An answer is dropped by the first check that it fails; a question by the
check that dropped the last of its answers.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from enum import IntEnum, auto
from typing import NamedTuple

import numpy as np

from fusion_agents.distill.nouns import Dropped, Example


class Stage(IntEnum):
    """The checks, in their order."""

    CONSENT = auto()
    SCOPE = auto()
    GUARD = auto()
    WHOLE = auto()
    TEXT = auto()
    KNOWN = auto()
    RIGHT = auto()
    LENGTH = auto()
    WORDING = auto()
    QUESTION = auto()
    LABEL = auto()
    NO_LABEL = auto()
    REPEATED = auto()
    BEYOND_K = auto()
    BALANCE = auto()


class Reason(NamedTuple):
    """Why an answer was dropped."""

    stage: Stage
    words: str


class Tally:
    """Counts what was dropped.

    Args:
        group_of: Number of the group of near-duplicates of each query id.
        task_of: Task of each group; empty without one.
    """

    def __init__(self, group_of: dict[str, int], task_of: dict[int, str]) -> None:
        self._group_of, self._task_of = group_of, task_of
        self._answers: defaultdict[Reason, Counter[str]] = defaultdict(Counter)
        self._last: dict[int, Reason] = {}
        self.n_answers = 0

    def drop(self, reason: Reason, query_id: str, task: str | None, n: int = 1) -> None:
        """Count answers to a query."""
        if n:
            self._answers[reason][task or ""] += n
            self.drop_question(reason, self._group_of[query_id])

    def drop_question(self, reason: Reason, group: int) -> None:
        """Note what left a question without an example, unless a later check did or will."""
        self._last[group] = max(reason, self._last.get(group, reason))

    def dropped(self, exported: Iterable[int]) -> tuple[Dropped, ...]:
        """All reasons in the order of the checks, answers before questions.

        Args:
            exported: Groups that have examples.
        """
        questions: defaultdict[Reason, Counter[str]] = defaultdict(Counter)
        taken = set(exported)
        for group, task in self._task_of.items():
            if group not in taken:
                questions[self._last[group]][task] += 1
        return (*_rows(self._answers, "answers"), *_rows(questions, "questions"))

    @property
    def n_questions(self) -> int:
        """That the log has."""
        return len(self._task_of)


def _rows(counts: dict[Reason, Counter[str]], what: str) -> Iterable[Dropped]:
    for reason in sorted(counts):
        by_task = dict(sorted(counts[reason].items()))
        yield Dropped.model_validate(
            {"reason": reason.words, "what": what, "n": sum(by_task.values()), "by_task": by_task}
        )


def lengths_of(examples: Sequence[Example]) -> dict[str, float]:
    """Characters of the answers: `min`, `median`, `p95`, `max`; empty without examples."""
    if not examples:
        return {}
    lengths = np.array([len(example.answer) for example in examples], dtype=np.float64)
    low, middle, high, top = np.quantile(lengths, [0.0, 0.5, 0.95, 1.0]).tolist()
    return {"min": low, "median": middle, "p95": high, "max": top}


def counted(names: Iterable[str | None]) -> dict[str, int]:
    """How often each name comes, in alphabetical order; nothing counts as the empty name."""
    return dict(sorted(Counter(name or "" for name in names).items()))
