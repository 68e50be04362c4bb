"""Estimates of every measure for every policy, over all queries and by task."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fusion_agents.evaluation.assess import Assessment, assess
from fusion_agents.evaluation.bootstrap import n_groups
from fusion_agents.evaluation.logged import LOGGED
from fusion_agents.evaluation.measures import Measure
from fusion_agents.evaluation.off_policy import Terms
from fusion_agents.evaluation.report import TaskResult, known
from fusion_agents.outcomes import IntVector, Outcomes

_MIN_TASK = 10
"""Fewest independent queries of a task that get an interval."""
_NO_TASK = "(no task)"

OBSERVED = ("oracle", LOGGED)
"""Policies that chose among known cells, so these are all that their values need."""


@dataclass(frozen=True, eq=False)
class Scorer:
    """Estimates every measure for the policies that chose something, oracle and best included."""

    test: Outcomes
    measures: Mapping[str, Measure]
    choices: Mapping[str, IntVector]
    """By policy; `best` is one of them."""
    groups: IntVector
    n_bootstrap: int
    seed: int

    @property
    def policies(self) -> list[str]:
        """Names in the order of an assessment's columns."""
        return list(self.choices)

    def terms(self, measure: str) -> list[Terms]:
        """Terms of every policy."""
        of = self.measures[measure]
        return [
            (of.as_observed() if name in OBSERVED else of).terms(choice)
            for name, choice in self.choices.items()
        ]

    def assess(self, measure: str) -> Assessment:
        """All policies over all queries."""
        return assess(
            self.measures[measure],
            self.terms(measure),
            self.groups,
            n_bootstrap=self.n_bootstrap,
            seed=self.seed,
            observed=self._observed,
        )

    @property
    def _observed(self) -> list[int]:
        return [i for i, name in enumerate(self.policies) if name in OBSERVED]

    def per_task(self) -> dict[str, dict[str, TaskResult]]:
        """Task results by policy and task; nothing if no query has a task."""
        rows: defaultdict[str, list[int]] = defaultdict(list)
        for i, query in enumerate(self.test.queries):
            rows[query.task or _NO_TASK].append(i)
        results: dict[str, dict[str, TaskResult]] = {name: {} for name in self.policies}
        if set(rows) == {_NO_TASK}:
            return results
        for task in sorted(rows):
            for name, result in self._one_task(np.array(rows[task])).items():
                results[name][task] = result
        return results

    def _one_task(self, rows: IntVector) -> dict[str, TaskResult]:
        groups = self.groups[rows]
        enough = n_groups(groups) >= _MIN_TASK
        assessed = {
            measure: assess(
                self.measures[measure],
                [terms.take(rows) for terms in self.terms(measure)],
                groups,
                n_bootstrap=self.n_bootstrap if enough and measure == "utility" else 0,
                seed=self.seed,
                observed=self._observed,
            )
            for measure in ("performance", "utility")
            if measure in self.measures
        }
        best = self.policies.index("best")
        results = {}
        for i, name in enumerate(self.policies):
            values = assessed["performance"].values if "performance" in assessed else None
            difference = assessed["utility"].difference(i, best)
            results[name] = TaskResult(
                n=len(rows),
                performance=None if values is None else known(values[i]),
                best=None if values is None else known(values[best]),
                **difference.model_dump(),
            )
        return results
