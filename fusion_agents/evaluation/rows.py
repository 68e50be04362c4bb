"""The table: every router's figures on the held-out queries."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fusion_agents.evaluation.arena import arena_score
from fusion_agents.evaluation.assess import Assessment, assess
from fusion_agents.evaluation.bootstrap import n_groups
from fusion_agents.evaluation.calibration import calibration
from fusion_agents.evaluation.contenders import Contender, in_order_of
from fusion_agents.evaluation.holdout import HeldOut
from fusion_agents.evaluation.measures import OBSERVED, Measure, oracle_choice
from fusion_agents.evaluation.off_policy import Terms
from fusion_agents.evaluation.report import (
    ArmResult,
    Calibration,
    Difference,
    Row,
    TaskResult,
    known,
)
from fusion_agents.objective import Objective
from fusion_agents.outcomes import IntVector, Outcomes

_MIN_TASK = 10
"""Fewest independent queries of a task that get an interval."""
_NO_TASK = "(no task)"


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
        """Terms of every policy; the oracle chose among known cells, so they are all it needs."""
        of = self.measures[measure]
        return [
            (of.as_observed() if name == "oracle" else of).terms(choice)
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
        )

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


def rows_of(
    contenders: Sequence[Contender], held_out: HeldOut, objective: Objective, scorer: Scorer
) -> tuple[Row, ...]:
    """One row a router, the oracle last."""
    assessed = {measure: scorer.assess(measure) for measure in scorer.measures}
    tasks = scorer.per_task()
    rows = [
        _contender_row(contender, _figures(contender.name, scorer, assessed, tasks), held_out.test)
        for contender in contenders
    ]
    return (*rows, _oracle_row(scorer, assessed, tasks))


def add_oracle(
    choices: dict[str, IntVector], test: Outcomes, measure: Measure, objective: Objective
) -> None:
    """Let the oracle take part if nearly all cells are known."""
    if (~np.isnan(measure.values)).mean() >= OBSERVED:
        choices["oracle"] = oracle_choice(test, measure.values, objective)


def arm_results(held_out: HeldOut, measures: Mapping[str, Measure]) -> tuple[ArmResult, ...]:
    """What each arm would have achieved if it had answered every test query."""
    train, test = held_out.train, held_out.test
    errors = train.errors.sum(axis=0) + test.errors.sum(axis=0)
    answers = train.answered.sum(axis=0) + test.answered.sum(axis=0)
    results = []
    for column, arm in enumerate(map(str, test.arms)):
        always = np.full(test.n_queries, column)
        values = {
            name: known(measures[name].terms(always).value)
            for name in ("performance", "cost", "judge")
            if name in measures
        }
        results.append(
            ArmResult(
                arm=arm,
                n_answers=int(test.answered[:, column].sum()),
                error_rate=float(errors[column] / max(errors[column] + answers[column], 1)),
                **values,
            )
        )
    return tuple(results)


def _figures(
    name: str,
    scorer: Scorer,
    assessed: Mapping[str, Assessment],
    tasks: Mapping[str, dict[str, TaskResult]],
) -> dict[str, object]:
    if name not in scorer.choices:
        return {}
    i, best = scorer.policies.index(name), scorer.policies.index("best")
    values = {measure: known(a.values[i]) for measure, a in assessed.items()}
    performance, cost = values.get("performance"), values.get("cost")
    utility = assessed["utility"]
    return {
        **values,
        "vs_best": utility.difference(i, best),
        "performance_vs_best": (
            assessed["performance"].difference(i, best)
            if "performance" in assessed
            else Difference()
        ),
        "oracle_gap": _oracle_gap(utility, i, best, scorer.policies),
        "arms": _shares(scorer.choices[name], scorer.test),
        "per_task": tasks[name],
        "arena_score": (
            None if performance is None or cost is None else arena_score(performance, cost)
        ),
        "ess": float(utility.ess[i]),
        "methods": {
            measure: "replay" if name == "oracle" else scorer.measures[measure].method
            for measure in assessed
        },
        "note": utility.refusals[i],
    }


def _oracle_row(
    scorer: Scorer,
    assessed: Mapping[str, Assessment],
    tasks: Mapping[str, dict[str, TaskResult]],
) -> Row:
    if "oracle" not in scorer.policies:
        note = f"fewer than {OBSERVED:.0%} of the test cells are known, so the best arm is not"
        return Row(router="oracle", note=note)
    figures = _figures("oracle", scorer, assessed, tasks)
    if scorer.measures["utility"].collection.kind != "complete":
        figures["note"] = "the best of the known cells; the true ceiling is at least as high"
    return Row.model_validate({"router": "oracle", **figures})


def _oracle_gap(utility: Assessment, i: int, best: int, policies: list[str]) -> float | None:
    if "oracle" not in policies:
        return None
    ceiling = utility.values[policies.index("oracle")] - utility.values[best]
    gain = utility.values[i] - utility.values[best]
    return known(gain / ceiling) if ceiling > 0 else None


def _shares(choice: IntVector, test: Outcomes) -> dict[str, float]:
    counts = Counter(choice.tolist())
    names = {arm: str(test.arms[arm]) for arm in counts}
    order = sorted(counts, key=lambda arm: (-counts[arm], names[arm]))
    return {names[arm]: counts[arm] / len(choice) for arm in order}


def _contender_row(contender: Contender, figures: dict[str, object], test: Outcomes) -> Row:
    encoder = contender.encoded.fit_seconds if contender.encoded else 0.0
    timings: dict[str, object] = {
        "fit_seconds": known(contender.learn_seconds + encoder),
        "learn_seconds": known(contender.learn_seconds),
        "route_ms": known(contender.route_ms),
    }
    if contender.failure is not None:
        return Row(router=contender.name, note=contender.failure)
    return Row.model_validate(
        {
            "router": contender.name,
            "calibration": _calibration(contender, test),
            **figures,
            **timings,
        }
    )


def _calibration(contender: Contender, test: Outcomes) -> Calibration | None:
    if contender.forecast is None:
        return None
    forecast = in_order_of(test.arms, contender.forecast)
    return calibration(forecast.performance, test.performance) or calibration(
        forecast.judge, test.judge
    )
