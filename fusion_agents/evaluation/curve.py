"""The trade-off knob: where a router stands for each weight on cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fusion_agents.evaluation.arena import arena_score
from fusion_agents.evaluation.contenders import Contender
from fusion_agents.evaluation.hull import Point, hull_area, upper_hull
from fusion_agents.evaluation.measures import Measure
from fusion_agents.evaluation.off_policy import refusal_of
from fusion_agents.evaluation.report import ArmResult, CurvePoint
from fusion_agents.objective import Objective
from fusion_agents.outcomes import IntVector, Outcomes
from fusion_agents.routers.base import Router
from fusion_agents.routers.interfaces import Batch, Forecast
from fusion_agents.routers.ranking import order_arms

WEIGHTS = (0.0, *np.geomspace(0.003, 3, 48).round(5).tolist(), 30.0)
"""Weights of normalised cost beside quality with weight 1."""


class Setting(NamedTuple):
    """One position of the knob on some queries."""

    weight: float
    choice: IntVector
    quality: float
    cost: float


@dataclass(frozen=True, eq=False)
class Sweep:
    """One router over all weights on the same queries."""

    name: str
    settings: tuple[Setting, ...]

    def points(self) -> tuple[CurvePoint, ...]:
        """As data for the report."""
        return tuple(
            CurvePoint(
                router=self.name,
                weight=s.weight,
                performance=s.quality,
                cost=s.cost,
                arena_score=arena_score(s.quality, s.cost),
            )
            for s in self.settings
        )


def quality_name(measures: Mapping[str, Measure]) -> str:
    """What quality is on this log: performance, or else the judge score."""
    return "performance" if "performance" in measures else "judge"


def sweep(
    contender: Contender,
    queries: Outcomes,
    batch: Batch,
    forecast: Forecast,
    measures: Mapping[str, Measure],
) -> Sweep:
    """Let a fitted router choose again for each weight, from one forecast.

    Args:
        contender: A router with its name.
        queries: What to choose for.
        batch: The same queries with their vectors.
        forecast: Of these queries, arms in the router's own order.
        measures: On these queries. Settings that the log cannot judge are left out.
    """
    quality = quality_name(measures)
    columns = np.array([queries.arms.index(arm) for arm in forecast.arms])
    settings = []
    for weight in WEIGHTS:
        objective = Objective(name="sweep", cost=weight, **{quality: 1.0})
        choice = columns[choose(contender.router, batch, forecast, objective)]
        terms = {name: measures[name].terms(choice) for name in (quality, "cost")}
        if not any(refusal_of(t, measures[name].collection) for name, t in terms.items()):
            settings.append(Setting(weight, choice, terms[quality].value, terms["cost"].value))
    return Sweep(contender.name, tuple(settings))


def choose(router: Router, batch: Batch, forecast: Forecast, objective: Objective) -> IntVector:
    """Column of the chosen arm, as `Router.decide` would choose from this forecast, uncapped."""
    values = router.utilities(batch, forecast, objective).values
    return order_arms(values, forecast.cost, router.fitted.mean_performance)[:, 0]


def sweep_test(
    contender: Contender, test: Outcomes, measures: Mapping[str, Measure]
) -> Sweep | None:
    """Sweep a contender that reads the query over the test queries; none for others."""
    if contender.forecast is None or contender.encoded is None:
        return None
    batch = Batch(test.queries, contender.encoded.test)
    return sweep(contender, test, batch, contender.forecast, measures)


def areas(sweeps: Sequence[Sweep], arms: Sequence[ArmResult], quality: str) -> dict[str, float]:
    """Mean quality under the hull of each router and of the single arms.

    Between the cost of the cheapest arm and that of the best one. A router's hull starts at the
    cheapest arm, which it becomes when cost weighs enough.
    """
    singles = [
        Point(arm.cost, value)
        for arm in arms
        if arm.cost is not None and (value := getattr(arm, quality)) is not None
    ]
    if not singles:
        return {}
    cheapest = min(singles)
    best = max(singles, key=lambda p: (p.quality, -p.cost))
    found = {"single arms": hull_area(upper_hull(singles), cheapest.cost, best.cost)}
    for one in sweeps:
        points = [Point(s.cost, s.quality) for s in one.settings]
        hull = upper_hull([cheapest, *points])
        found[one.name] = hull_area(hull, cheapest.cost, best.cost)
    return found
