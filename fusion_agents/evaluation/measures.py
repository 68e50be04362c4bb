"""The quantities that a policy is measured by, with what it takes to estimate each."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fusion_agents.evaluation.collection import Collection, collection_of
from fusion_agents.evaluation.contenders import Contender, in_order_of
from fusion_agents.evaluation.holdout import utility_of
from fusion_agents.evaluation.off_policy import Method, Terms, method_of, terms_of
from fusion_agents.objective import Objective, Scales
from fusion_agents.outcomes import FloatMatrix, IntVector, Outcomes
from fusion_agents.routers.interfaces import Forecast
from fusion_agents.types import Arm


@dataclass(frozen=True, eq=False)
class Measure:
    """One quantity on the test queries."""

    values: FloatMatrix
    """Shape (n_queries, n_arms), NaN where not known."""
    collection: Collection
    model: FloatMatrix | None = None
    """What a router expected, same shape, for doubly robust estimates."""

    @property
    def method(self) -> Method:
        """How values of policies are estimated."""
        return method_of(self.collection, self.model)

    def terms(self, choice: IntVector) -> Terms:
        """Terms of the policy with these choices."""
        return terms_of(self.values, choice, self.collection, self.model)

    def as_observed(self) -> "Measure":
        """Take what is known for all there is, for policies that choose among known cells."""
        probability = np.ones(self.values.shape)
        return Measure(self.values, Collection("complete", probability, self.collection.unusable))


def measures_of(
    outcomes: Outcomes, objective: Objective, scales: Scales, forecast: Forecast | None
) -> dict[str, Measure]:
    """Performance, cost, judge score and utility, as far as anything is known of them.

    Args:
        outcomes: The queries to measure on.
        objective: What utility is.
        scales: Normalisation constants of the training queries.
        forecast: Of a router that was not fitted on `outcomes`, arms in the same order.
    """
    measures: dict[str, Measure] = {}
    utility = utility_of(outcomes, objective, scales)
    for name in ("performance", "cost", "judge"):
        values = getattr(outcomes, name)
        if not np.isnan(values).all():
            model = None if forecast is None else getattr(forecast, name)
            measures[name] = _measure(values, outcomes, model)
    expected = None if forecast is None else utility_of(forecast, objective, scales)
    measures["utility"] = _measure(utility, outcomes, expected)
    return measures


def forecast_for_estimates(contenders: Sequence[Contender], arms: tuple[Arm, ...]) -> Forecast:
    """The forecast of the first contender that reads the query, else of any, in order of `arms`."""
    able = [
        (not contender.router.needs_vectors, contender.forecast)
        for contender in contenders
        if contender.forecast is not None
    ]
    return in_order_of(arms, min(able, key=lambda pair: pair[0])[1])


def _measure(values: FloatMatrix, outcomes: Outcomes, model: FloatMatrix | None) -> Measure:
    collection = collection_of(values, outcomes.propensity)
    if model is None or np.isnan(model).all():
        return Measure(values, collection)
    return Measure(values, collection, np.where(np.isnan(model), np.nanmean(model), model))
