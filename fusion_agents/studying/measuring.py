"""A study's answers as figures."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from fusion_agents.evaluation.intervals import Mean, Means, means_of
from fusion_agents.near_duplicates import near_duplicate_groups
from fusion_agents.outcomes import FloatMatrix, IntVector
from fusion_agents.studying.answers import Answers, Given
from fusion_agents.studying.conditions import baselines_of
from fusion_agents.studying.report import Account, Gain, Level, Over
from fusion_agents.types import Arm, Dollars, Query

N_BOOTSTRAP = 2_000


class Asked(NamedTuple):
    """The questions of a study."""

    queries: Sequence[Query]
    groups: IntVector
    """Near-duplicates share one."""
    tasks: list[str]
    """Names, in alphabetical order."""

    @classmethod
    def of(cls, queries: Sequence[Query]) -> "Asked":
        """Group questions by task, and near-duplicates."""
        groups = near_duplicate_groups([query.text for query in queries])
        return cls(queries, groups, sorted({query.task or "" for query in queries}))

    @property
    def numbers(self) -> list[int]:
        """Of each question's task."""
        places = {name: place for place, name in enumerate(self.tasks)}
        return [places[query.task or ""] for query in self.queries]


class Figures(NamedTuple):
    """Of one answerer."""

    levels: list[Level]
    gains: list[Gain]


def compare(
    answerer: str,
    conditions: Sequence[str],
    answers: Answers,
    asked: Asked,
    *,
    n_bootstrap: int = N_BOOTSTRAP,
    seed: int = 0,
) -> Figures:
    """Say how well each condition does, and what it has more than each baseline."""
    scores = {name: _scores(answers[Arm(model=answerer, strategy=name)]) for name in conditions}
    pairs = list(_pairs(conditions))
    differences = [scores[name] - scores[baseline] for name, baseline in pairs]
    columns = np.stack([*scores.values(), *differences], axis=1)
    means = means_of(columns, asked.numbers, asked.groups, n_bootstrap=n_bootstrap, seed=seed)
    levels = [
        Level(
            answerer=answerer, condition=name, over=over, task=task,
            n=mean.n, performance=mean.value, low=mean.low and max(0.0, mean.low), high=mean.high,
        )
        for column, name in enumerate(conditions)
        for over, task, mean in _each(means, column, asked.tasks)
    ]  # fmt: skip
    gains = [
        Gain(
            answerer=answerer, condition=name, baseline=baseline, over=over, task=task,
            n=mean.n, n_groups=mean.n_groups, delta=mean.value, low=mean.low, high=mean.high,
        )
        for column, (name, baseline) in enumerate(pairs, start=len(conditions))
        for over, task, mean in _each(means, column, asked.tasks)
    ]  # fmt: skip
    return Figures(levels, gains)


def _pairs(conditions: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each condition with each baseline; two baselines only once."""
    baselines = baselines_of(conditions)
    for place, baseline in enumerate(baselines):
        for name in conditions:
            if name not in baselines[: place + 1]:
                yield name, baseline


def _scores(given: Iterable[Given | None]) -> FloatMatrix:
    known = [None if one is None else one.performance for one in given]
    return np.array([np.nan if score is None else score for score in known])


def _each(
    means: Means, column: int, tasks: Sequence[str]
) -> Iterator[tuple[Over, str | None, Mean]]:
    yield "queries", None, means.of_queries(column)
    if len(tasks) > 1:
        yield "tasks", None, means.of_tasks(column)
    for number, task in enumerate(tasks):
        yield "task", task, means.of_task(number, column)


def account(
    arm: Arm, given: Sequence[Given | None], templates: Dollars, *, complete: bool
) -> Account:
    """Count what a condition did and cost.

    Args:
        arm: Answerer and condition.
        given: Its answers.
        templates: Dollars for its templates.
        complete: Whether all questions were asked, so that those without an answer failed.
    """
    there = [one for one in given if one is not None]
    scores = [one.performance for one in there if one.performance is not None]
    costs = [one.cost for one in there if one.cost is not None]
    answers = sum(costs) if len(costs) == len(there) else None
    known = answers is not None and bool(there)
    return Account(
        answerer=arm.model,
        condition=arm.strategy,
        answered=len(there),
        failed=len(given) - len(there) if complete else 0,
        unscored=len(there) - len(scores),
        as_wrong=sum(scores) / len(given) if complete and given else None,
        cut_off=sum(one.cut_off for one in there),
        with_templates=sum(one.with_templates for one in there),
        input_tokens=_mean(one.usage.input_tokens for one in there),
        output_tokens=_mean(one.usage.output_tokens for one in there),
        answers=answers,
        templates=templates,
        per_question=((answers or 0.0) + templates) / len(there) if known else None,
    )


def _mean(counts: Iterable[int | None]) -> float | None:
    known = [count for count in counts if count is not None]
    return sum(known) / len(known) if known else None


def tasks_of(queries: Sequence[Query]) -> Mapping[str, int]:
    """Questions of each task."""
    names = [query.task or "" for query in queries]
    return {name: names.count(name) for name in sorted(set(names))}
