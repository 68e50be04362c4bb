"""Replies of base and student as figures: paired, by task and over all, with findings."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fusion_agents.distill.comparing.comparison import Change, Contrast, Over, Side
from fusion_agents.distill.comparing.given import Given, Replies
from fusion_agents.distill.comparing.verdict import FEWEST, chance_of, corrected, finding
from fusion_agents.evaluation.intervals import Mean, Means, means_of
from fusion_agents.near_duplicates import near_duplicate_groups
from fusion_agents.outcomes import FloatMatrix, IntVector
from fusion_agents.quoting import shortened
from fusion_agents.types import Query

N_BOOTSTRAP = 4_000

_SHOWN = (300, 200)
_RIGHT = 0.5
_BASE, _STUDENT, _DELTA = range(3)

Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Pairs:
    """Queries with what base and student said to them."""

    queries: Sequence[Query]
    base: Replies
    student: Replies

    @cached_property
    def groups(self) -> IntVector:
        """Of near-duplicates, shape (n_queries,)."""
        return near_duplicate_groups([query.text for query in self.queries])

    @cached_property
    def judged(self) -> Bools:
        """Whose scores are a judge's: the metric scored not both, but a judge did."""
        return np.array([_by_judge(*self._answers(query)) for query in self.queries], bool)

    @cached_property
    def scores(self) -> FloatMatrix:
        """Of base, of student and the difference, shape (n_queries, 3); NaN where not both are."""
        found = np.array([_scores(*self._answers(query)) for query in self.queries]).reshape(-1, 2)
        return np.column_stack([found, found[:, 1] - found[:, 0]])

    @cached_property
    def paired(self) -> Bools:
        """Of which both scores are known, shape (n_queries,)."""
        known: Bools = ~np.isnan(self.scores[:, _DELTA])
        return known

    @cached_property
    def tasks(self) -> list[str]:
        """Names, in alphabetical order; queries without a task have the empty one."""
        return sorted({query.task or "" for query in self.queries})

    @cached_property
    def numbers(self) -> IntVector:
        """Of each query's task."""
        places = {name: place for place, name in enumerate(self.tasks)}
        return np.array([places[query.task or ""] for query in self.queries], np.int64)

    def _answers(self, query: Query) -> tuple[Given | None, Given | None]:
        return self.base.answers.get(query.id), self.student.answers.get(query.id)


def _by_judge(base: Given | None, student: Given | None) -> bool:
    if base is None or student is None:
        return False
    measured = base.performance is not None and student.performance is not None
    return not measured and base.judge is not None and student.judge is not None


def _scores(base: Given | None, student: Given | None) -> tuple[float, float]:
    """By the metric if that scored both, else by the judge if that did; never one by each."""
    if base is None or student is None:
        return np.nan, np.nan
    if base.performance is not None and student.performance is not None:
        return base.performance, student.performance
    if base.judge is not None and student.judge is not None:
        return base.judge, student.judge
    return np.nan, np.nan


def contrasts(
    pairs: Pairs, *, n_bootstrap: int = N_BOOTSTRAP, seed: int = 0
) -> tuple[Contrast, ...]:
    """Compare on each task, over the mean of tasks and over all queries, in this order.

    The mean of tasks is left out where there are fewer than two. Intervals are of 95 % for each
    row alone; findings hold for all rows together (`verdict`).

    Args:
        pairs: At least one query.
        n_bootstrap: Draws of the intervals.
        seed: Of these, and of the draws of chances.
    """
    means = means_of(
        pairs.scores, pairs.numbers.tolist(), pairs.groups, n_bootstrap=n_bootstrap, seed=seed
    )
    rows = [_task(pairs, means, number, seed) for number in range(len(pairs.tasks))]
    if len(rows) > 1:
        rows += [_mean_of_tasks(pairs, means, seed), _all(pairs, means, seed)]
    else:
        rows = [*rows, rows[0].model_copy(update={"over": "queries", "task": None})]
    return _with_findings(rows, single=len(pairs.tasks) == 1)


def _with_findings(rows: list[Contrast], *, single: bool) -> tuple[Contrast, ...]:
    """Correct the chances for all rows; of a single task, both rows are the same question."""
    places = [place for place, row in enumerate(rows) if row.p is not None and row.low is not None]
    chances = corrected([rows[place].p or 0.0 for place in places][: 1 if single else None])
    if single:
        chances = chances * len(places)
    known = dict(zip(places, chances, strict=True))
    found = []
    for place, row in enumerate(rows):
        p = known.get(place)
        says = finding(row.n_groups, row.delta, row.low, row.high, p)
        found.append(row.model_copy(update={"p": p, "finding": says}))
    return tuple(found)


def _task(pairs: Pairs, means: Means, number: int, seed: int) -> Contrast:
    here = pairs.numbers == number
    return _contrast(
        pairs, here, "task", pairs.tasks[number], lambda column: means.of_task(number, column),
        np.ones(len(here)), seed,
    )  # fmt: skip


def _all(pairs: Pairs, means: Means, seed: int) -> Contrast:
    here = np.ones(len(pairs.queries), bool)
    return _contrast(pairs, here, "queries", None, means.of_queries, np.ones(len(here)), seed)


def _mean_of_tasks(pairs: Pairs, means: Means, seed: int) -> Contrast:
    here = np.ones(len(pairs.queries), bool)
    sizes = np.bincount(pairs.numbers[pairs.paired], minlength=len(pairs.tasks))
    weights = 1.0 / np.maximum(sizes, 1)[pairs.numbers]
    return _contrast(pairs, here, "tasks", None, means.of_tasks, weights, seed)


def _contrast(
    pairs: Pairs,
    here: Bools,
    over: Over,
    task: str | None,
    mean: Callable[[int], Mean],
    weights: FloatMatrix,
    seed: int,
) -> Contrast:
    chosen = here & pairs.paired
    delta = mean(_DELTA)
    enough = delta.n_groups >= FEWEST
    weighed = pairs.scores[chosen, _DELTA] * weights[chosen]
    queries = [pairs.queries[place] for place in np.flatnonzero(here).tolist()]
    both = [pairs.queries[place] for place in np.flatnonzero(chosen).tolist()]
    return Contrast(
        over=over,
        task=task,
        n_asked=len(queries),
        n=delta.n,
        n_groups=delta.n_groups,
        judged=int((chosen & pairs.judged).sum()),
        base=_side(pairs.base, queries, both, mean(_BASE).value),
        student=_side(pairs.student, queries, both, mean(_STUDENT).value),
        delta=delta.value,
        low=delta.low,
        high=delta.high,
        p=chance_of(weighed, pairs.groups[chosen], seed=seed) if enough else None,
        finding="too few",
    )


def _side(
    replies: Replies, queries: Sequence[Query], both: Sequence[Query], performance: float | None
) -> Side:
    paired = [replies.answers[query.id] for query in both]
    there = [one for query in queries if (one := replies.answers.get(query.id)) is not None]
    return Side(
        performance=performance,
        cost=_mean(one.entry.cost for one in paired),
        output_tokens=_mean(one.entry.usage.output_tokens for one in paired),
        latency=_mean(one.entry.latency for one in paired),
        no_answer=sum(one.no_answer for one in paired),
        empty=sum(one.empty for one in paired),
        cut_off=sum(one.cut_off for one in paired),
        failed=sum(query.id in replies.faults for query in queries),
        unscored=sum(one.performance is None and one.judge is None for one in there),
    )


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def changes(pairs: Pairs) -> tuple[list[Change], list[Change]]:
    """The pairs that only the base got right, and those that only the student did.

    Right is from a half on. The largest differences come first, then in the order of the queries.
    """
    lost, won = [], []
    order = np.argsort(-np.abs(np.nan_to_num(pairs.scores[:, _DELTA])), kind="stable")
    for place in order.tolist():
        before, after = pairs.scores[place, _BASE], pairs.scores[place, _STUDENT]
        if before >= _RIGHT > after:
            lost.append(_change(pairs, place))
        elif before < _RIGHT <= after:
            won.append(_change(pairs, place))
    return lost, won


def _change(pairs: Pairs, place: int) -> Change:
    query = pairs.queries[place]
    return Change(
        query_id=query.id,
        task=query.task,
        question=shortened(query.text, *_SHOWN),
        base_answer=shortened(pairs.base.answers[query.id].entry.response or "", *_SHOWN),
        student_answer=shortened(pairs.student.answers[query.id].entry.response or "", *_SHOWN),
        base=float(pairs.scores[place, _BASE]),
        student=float(pairs.scores[place, _STUDENT]),
    )
