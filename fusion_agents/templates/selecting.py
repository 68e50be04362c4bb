"""Which answers to a question are worth learning from: right ones only, by one of three criteria.

Source: FusionFactory (arXiv 2507.10540), thought-level fusion; there, answers are sorted and the
first three are taken whether they are right or not.
"""

from collections.abc import Iterable, Sequence
from math import inf
from typing import Literal, NamedTuple, get_args

from fusion_agents.errors import ConfigError
from fusion_agents.right_answers.candidates import FLOORS, Candidate, Floors

Criterion = Literal["hybrid", "performance", "judge"]

N_ANSWERS = 3
"""Answers that a template is distilled from, at most."""
_FIRST = 5
"""Of these by performance, `hybrid` takes the best by the judge."""


class Selection(NamedTuple):
    """What a question has to teach."""

    right: tuple[Candidate, ...]
    """The chosen right answers, best first."""
    wrong: tuple[Candidate, ...]
    """Wrong answers, the most convincing first."""
    share: float
    """Of the answers of which it is known, those that are right: how easy the question is."""
    n_right: int = 0
    """Right answers, whether chosen or not."""
    n_wrong: int = 0


def check_criterion(name: str) -> None:
    """Refuse criteria that there are not.

    Raises:
        ConfigError: If it is none of them.
    """
    if name not in get_args(Criterion):
        raise ConfigError(f"unknown criterion {name!r}: use {', '.join(get_args(Criterion))}")


def select(
    candidates: Iterable[Candidate], criterion: Criterion, floors: Floors = FLOORS
) -> Selection:
    """Choose answers to one question.

    `performance` sorts by performance, then the cheaper first; `judge` by the judge's score, then
    the cheaper first; `hybrid` takes the best by the judge of the first five by performance. What
    was not measured comes after what was. Equal texts count once; ties go by the answers' keys.

    >>> answer = Candidate("a", "q", "small", 1.0, None, None, 0.1, 1)
    >>> select([answer, answer._replace(key="b", cost=0.01, text=2)], "performance").right[0].key
    'b'

    Args:
        candidates: In any order; none at all selects nothing.
        criterion: `hybrid`, `performance` or `judge`.
        floors: From where on an answer counts as right.
    """
    judged = [(one, floors.is_right(one)) for one in candidates]
    right = [one for one, is_right in judged if is_right]
    wrong = [one for one, is_right in judged if is_right is False]
    known = len(right) + len(wrong)
    return Selection(
        right=tuple(_best(right, criterion)),
        wrong=tuple(_distinct(sorted(wrong, key=_by_judge_then_dearest))[:N_ANSWERS]),
        share=len(right) / known if known else 0.0,
        n_right=len(right),
        n_wrong=len(wrong),
    )


def _best(right: Sequence[Candidate], criterion: Criterion) -> list[Candidate]:
    if criterion == "judge":
        return _distinct(sorted(right, key=_by_judge))[:N_ANSWERS]
    first = _distinct(sorted(right, key=_by_performance))
    if criterion == "performance":
        return first[:N_ANSWERS]
    return sorted(first[:_FIRST], key=_by_judge)[:N_ANSWERS]


def _distinct(ordered: Iterable[Candidate]) -> list[Candidate]:
    texts: dict[int, Candidate] = {}
    for one in ordered:
        texts.setdefault(one.text, one)
    return list(texts.values())


def _by_performance(one: Candidate) -> tuple[float, float, str]:
    return (_falling(one.performance), _cost(one), one.key)


def _by_judge(one: Candidate) -> tuple[float, float, str]:
    return (_falling(one.judge), _cost(one), one.key)


def _by_judge_then_dearest(one: Candidate) -> tuple[float, float, str]:
    return (_falling(one.judge), -(one.cost or 0.0), one.key)


def _falling(score: float | None) -> float:
    return inf if score is None else -score


def _cost(one: Candidate) -> float:
    return inf if one.cost is None else one.cost
