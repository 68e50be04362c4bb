"""Champion against challenger, on queries that neither had seen when it forecast them.

Both are judged on the same queries of the log. A query that a router learned from is decided by
its out-of-fold forecast, any other one by its own. What an arm that was not asked would have
earned is estimated doubly robustly: the mean of both routers' forecasts, corrected by what is
known, weighted by the inverse of the logged propensity. A forecast of one side alone would favour
that side, as each picks what its own forecast makes look best.

Source of the estimator: Dudík, Langford and Li, "Doubly Robust Policy Evaluation and Learning"
(arXiv 1103.4601), equation 1; weights are clipped (Ionides, "Truncated Importance Sampling",
J. Comput. Graph. Stat. 17, 2008).
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.stats import norm

from fusion_agents.encoders.base import Vectors
from fusion_agents.objective import Objective, Scales
from fusion_agents.outcomes import FloatMatrix, IntVector, Outcomes
from fusion_agents.routers.base import Router
from fusion_agents.routers.evidence import query_numbers
from fusion_agents.routers.interfaces import BoolVector, Forecast
from fusion_agents.types import Arm, Noun

MOST_WEIGHT = 5.0
"""Larger inverse propensities are clipped."""

LEVEL = 0.9
"""Of the intervals."""


class Difference(Noun):
    """What the challenger earns more than the champion, in utility a query."""

    mean: float
    low: float
    """Lower end of the 90 % interval."""
    high: float
    n_queries: int = Field(ge=0)
    n_different: int = Field(ge=0)
    """Queries at which the two choose different arms."""

    def __str__(self) -> str:
        return (
            f"{100 * self.mean:+.2f} points [{100 * self.low:+.2f}, {100 * self.high:+.2f}] on "
            f"{self.n_queries:,} queries, {self.n_different:,} of them answered by another arm"
        )


class Comparison(Noun):
    """Champion and challenger compared."""

    everywhere: Difference | None
    """On every query of the log that can tell; none if there is none."""
    recent: Difference | None
    """On those that the champion did not learn from."""


class Sides(NamedTuple):
    """Per query, what the comparison is made of."""

    difference: NDArray[np.float64]
    """Estimated utility of the challenger's arm less that of the champion's, (n_queries,)."""
    differ: BoolVector
    usable: BoolVector
    """Where both forecast unseen, and the log says how it came to ask whom it asked."""
    recent: BoolVector


def compare(
    champion: Router,
    challenger: Router,
    evidence: Outcomes,
    objective: str | Objective = "performance-first",
    *,
    vectors: Vectors | None = None,
) -> Comparison:
    """Estimate what replacing the champion would gain.

    Args:
        champion: The router in use.
        challenger: The one that would replace it.
        evidence: What is known, from sources that may vote.
        objective: What both are to serve.
        vectors: Of the evidence's queries, if both routers share an encoder and they are at hand.
    """
    sides = sides_of(champion, challenger, evidence, Objective.parse(objective), vectors)
    return Comparison(
        everywhere=_summed_up(sides, sides.usable, evidence.groups),
        recent=_summed_up(sides, sides.usable & sides.recent, evidence.groups),
    )


def sides_of(
    champion: Router,
    challenger: Router,
    evidence: Outcomes,
    objective: Objective,
    vectors: Vectors | None = None,
) -> Sides:
    """Compare query by query."""
    scales = challenger.fitted.scales
    actual = objective.utility(
        scales,
        performance=evidence.performance,
        judge=evidence.judge,
        cost=evidence.cost,
        latency=evidence.latency,
    )
    old, new = (
        _Side.of(router, evidence, objective, scales, vectors) for router in (champion, challenger)
    )
    expected = _mean_of_both(old.expected, new.expected)
    probability = chance_of_being_asked(actual, evidence.propensity)
    value = [_doubly_robust(actual, expected, probability, side.choice) for side in (old, new)]
    known = champion.fitted.logged
    learned = np.isin(query_numbers(evidence.queries), known if known is not None else [])
    usable = old.known & new.known & ~np.isnan(probability).all(axis=1)
    return Sides(value[1] - value[0], old.choice != new.choice, usable, ~learned)


def chance_of_being_asked(actual: FloatMatrix, propensity: FloatMatrix) -> FloatMatrix:
    """Probability with which the log came to know each cell, shape (n_queries, n_arms).

    A query whose known arms were all asked for certain is a forced collection if they are
    several; arms that it lacks are then taken as never asked. If it is only one, a router chose
    it without exploring: nothing tells what the others would have done, and the row is NaN.
    """
    known = ~np.isnan(actual)
    recorded = np.nan_to_num(propensity, nan=1.0)
    drawn = known & (recorded < 1)
    count = known.sum(axis=1, keepdims=True)
    draws = np.maximum(drawn.sum(axis=1, keepdims=True), 1)
    chance = np.where(drawn, np.minimum(recorded * draws, 1.0), 1.0)
    tells = drawn.any(axis=1, keepdims=True) | (count > 1)
    return np.where(tells, chance, np.nan)


@dataclass(frozen=True)
class _Side:
    """One router's view of the evidence."""

    choice: IntVector
    """Column of the evidence's arms, -1 for an arm that it lacks."""
    expected: FloatMatrix
    """Forecast utility in the evidence's columns, NaN for arms that the router does not know."""
    known: BoolVector

    @classmethod
    def of(
        cls,
        router: Router,
        evidence: Outcomes,
        objective: Objective,
        scales: Scales,
        vectors: Vectors | None,
    ) -> "_Side":
        forecast = router.unseen_forecast(evidence.queries, vectors)
        if forecast is None:
            nothing = np.full(evidence.performance.shape, np.nan)
            absent = np.full(evidence.n_queries, -1, dtype=np.int64)
            return cls(absent, nothing, absent >= 0)
        columns = columns_of(evidence.arms, router.fitted.arm_nouns)
        value = _weighed(forecast, objective, scales)
        known = ~np.isnan(value).all(axis=1)
        expected = np.full((evidence.n_queries, evidence.n_arms), np.nan)
        there = columns >= 0
        expected[:, columns[there]] = value[:, there]
        choice = np.full(evidence.n_queries, -1, dtype=np.int64)
        rows = np.flatnonzero(known)
        if len(rows):
            decisions = router.decide(
                [evidence.queries[row] for row in rows],
                objective,
                None if vectors is None else vectors[rows],
                forecast=_rows_of(forecast, rows),
            )
            choice[rows] = columns[decisions.choice]
        return cls(choice, expected, known & (choice >= 0))


def columns_of(arms: tuple[Arm, ...], wanted: tuple[Arm, ...]) -> IntVector:
    """Position of each wanted arm among `arms`, -1 for those that are not there."""
    at = {arm: column for column, arm in enumerate(arms)}
    return np.array([at.get(arm, -1) for arm in wanted], dtype=np.int64)


def _weighed(forecast: Forecast, objective: Objective, scales: Scales) -> FloatMatrix:
    return objective.utility(
        scales,
        performance=forecast.performance,
        judge=forecast.judge,
        cost=forecast.cost,
        latency=forecast.latency,
    )


def _rows_of(forecast: Forecast, rows: IntVector) -> Forecast:
    measures = ("performance", "performance_std", "judge", "judge_std", "cost", "latency")
    taken = {name: getattr(forecast, name)[rows] for name in measures}
    return Forecast(arms=forecast.arms, **taken)


def _mean_of_both(one: FloatMatrix, other: FloatMatrix) -> FloatMatrix:
    """The mean where both are known, else the one that is, else 0."""
    first, second = np.where(np.isnan(one), other, one), np.where(np.isnan(other), one, other)
    return np.nan_to_num((first + second) / 2, nan=0.0)


def _doubly_robust(
    actual: FloatMatrix, expected: FloatMatrix, probability: FloatMatrix, choice: IntVector
) -> NDArray[np.float64]:
    rows = np.arange(len(choice))
    seen, forecast = actual[rows, choice], expected[rows, choice]
    chance = np.nan_to_num(probability[rows, choice], nan=1.0)
    weight = np.minimum(1 / chance, MOST_WEIGHT)
    corrected: NDArray[np.float64] = forecast + np.where(
        np.isnan(seen), 0.0, weight * (np.nan_to_num(seen) - forecast)
    )
    return corrected


def _summed_up(sides: Sides, rows: BoolVector, groups: IntVector) -> Difference | None:
    """Mean and interval, near-duplicates counted as one; none if no query can tell."""
    n_queries = int(rows.sum())
    if not n_queries:
        return None
    values = sides.difference[rows]
    mean = float(values.mean())
    _, group = np.unique(groups[rows], return_inverse=True)
    spread = np.bincount(group, weights=values - mean)
    n_groups = len(spread)
    error = float(np.sqrt((spread**2).sum() * n_groups / max(n_groups - 1, 1)) / n_queries)
    reach = float(norm.ppf((1 + LEVEL) / 2)) * error
    return Difference(
        mean=mean,
        low=mean - reach,
        high=mean + reach,
        n_queries=n_queries,
        n_different=int((rows & sides.differ).sum()),
    )
