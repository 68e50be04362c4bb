"""The default router: a blend chosen by cross-validation on the user's own log."""

from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fusion_agents.objective import Objective
from fusion_agents.outcomes import FloatMatrix
from fusion_agents.routers.base import Router
from fusion_agents.routers.heads.blend import BlendModel, fit_blend
from fusion_agents.routers.heads.novelty import Novelty
from fusion_agents.routers.interfaces import (
    Batch,
    BoolVector,
    Estimate,
    Fitted,
    Forecast,
    Learned,
    Sample,
    Utilities,
)
from fusion_agents.routers.options import check_within

_REMEMBERED = 256
"""Objectives whose expected gain is kept."""

_LEAST_CHANCE = 0.1
"""No answer counts as more than ten: of logs with exploration, more is noise above all."""


@dataclass(frozen=True, eq=False)
class AutoModel:
    """A blend, and how it tells that a query is unlike the log."""

    n_arms: int
    scored: NDArray[np.int64]
    """Positions of the arms that have scores; the others' forecasts are NaN."""
    blend: BlendModel
    novelty: Novelty
    settings: tuple[str, ...]
    """In words: what was chosen for each family of heads."""

    def predict(self, batch: Batch) -> Estimate:
        """Expect each arm's score by the blend."""
        blended = self.blend.predict(batch)
        mean, std = (self._everywhere(values) for values in blended)
        return Estimate(mean, std)

    def _everywhere(self, values: FloatMatrix) -> FloatMatrix:
        if len(self.scored) == self.n_arms:
            return values
        spread = np.full((len(values), self.n_arms), np.nan)
        spread[:, self.scored] = values
        return spread


class ExpectedGain(NamedTuple):
    """What routing earned over the best single arm on training queries, out of fold."""

    best: int
    """Position of the best single arm."""
    gain: float
    """In utility."""
    standard_error: float
    trades: bool
    """Whether the objective gives up quality for money or time."""

    @property
    def pays(self) -> bool:
        """Whether the evidence allows routing.

        For quality alone there must be a gain. Where quality is traded, what is saved is certain
        and what is lost is not, so there must only be no significant loss (two standard errors).
        """
        return self.gain > (-2 * self.standard_error if self.trades else 0.0)


@dataclass(kw_only=True)
class AutoRouter(Router):
    """The default: four kinds of model, blended and checked on the user's own log.

    Four families see the query's vector: a posterior over the tasks that the log names times
    shrunk task means, with a ridge on what is left over; the same over clusters as latent tasks;
    a logistic regression of graded scores per arm; and the mean of the nearest logged queries.
    Five-fold cross-validation, near-duplicates in one fold, picks each family's setting by the
    routed value and the squared error of the differences between arms, weighs the families by
    greedy selection and calibrates the level. No task label is needed when routing.

    Two guards hold it back. Under an objective for which out-of-fold routing did not beat the
    best single arm (or, where the objective trades quality for money or time, lost significantly
    against it), every query goes to that arm. And the less a query is like the logged ones,
    the larger an advantage over that arm the forecast must show (see `Novelty`).

    Args:
        novelty: Share of the logged queries, the least usual ones, for which the second guard
            asks for an advantage; 0 for none.
        caution: Advantage in expected score that it asks for at the most unusual of them.
    """

    name = "auto"
    model = AutoModel

    novelty: float = 0.2
    caution: float = 0.15

    _gains: dict[Objective, ExpectedGain | None] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def learn(self, sample: Sample) -> AutoModel:
        """Fit the blend."""
        model = self.learn_and_forecast(sample).model
        assert isinstance(model, AutoModel)
        return model

    def learn_and_forecast(self, sample: Sample) -> Learned:
        """Fit the blend and keep its out-of-fold forecasts."""
        check_within(self, novelty=(0, 1), caution=(0, 1))
        self._gains.clear()
        scored = np.flatnonzero(~np.isnan(sample.scores).all(axis=0))
        fitted = fit_blend(replace(sample, scores=sample.scores[:, scored]))
        novelty = Novelty.fit(
            fitted.model.neighbours, sample.vectors, sample.folds, self.novelty, self.caution
        )
        n_arms = sample.scores.shape[1]
        model = AutoModel(n_arms, scored, fitted.model, novelty, fitted.settings)
        return Learned(model, model._everywhere(fitted.out_of_fold))

    def utilities(self, batch: Batch, forecast: Forecast, objective: Objective) -> Utilities:
        """Weigh the forecast; give the best single arm where a guard holds routing back."""
        values = self.expected_utility(forecast, objective)
        expected = self.expected_gain(objective)
        if expected is None:
            return Utilities(values)
        if expected.pays:
            held_back = self._too_new(batch, forecast, objective, values, expected.best)
            why = "unlike the logged queries: best single arm"
        else:
            held_back = np.full(len(values), True)
            why = "routing does not pay in the log out of fold: best single arm"
        usual = f"highest utility under {objective.name}"
        constant = np.broadcast_to(self._constant_utility(objective), values.shape)
        return Utilities(
            np.where(held_back[:, None], constant, values),
            [why if back else usual for back in held_back.tolist()],
        )

    def expected_gain(self, objective: str | Objective) -> ExpectedGain | None:
        """What routing under an objective earned on the training queries, out of fold.

        The difference in utility between the arm that the out-of-fold forecast picks and the best
        single arm, averaged over the training queries. Cells that nobody answered are filled with
        the forecast, and the known ones correct it, weighted by how rarely the arm was asked
        (doubly robust; on a complete log this is the plain mean of paired differences).

        Returns:
            None for a log without held-out forecasts or outcomes under the objective.
        """
        uncapped = {"name": "", "max_cost": None, "max_latency": None}
        weights = Objective.parse(objective).model_copy(update=uncapped)
        if weights not in self._gains:
            if len(self._gains) >= _REMEMBERED:
                self._gains.clear()
            constant = self._constant_utility(weights)
            self._gains[weights] = _expected_gain(self.fitted, weights, constant)
        return self._gains[weights]

    def _too_new(
        self,
        batch: Batch,
        forecast: Forecast,
        objective: Objective,
        values: FloatMatrix,
        best: int,
    ) -> BoolVector:
        """Where a query is so unusual that the forecast's advantage is not believed."""
        model = self.fitted.performance if objective.performance else self.fitted.judge
        if not isinstance(model, AutoModel) or not len(values):
            return np.full(len(values), False)
        demand = model.novelty.demand(model.blend.neighbours, batch.vectors)
        weight = objective.performance + objective.judge
        usable = np.where(self.affordable(forecast, objective), values, np.nan)
        advantage = np.fmax.reduce(usable, axis=1, initial=-np.inf) - values[:, best]
        return np.asarray(advantage < weight * demand)

    def _constant_utility(self, objective: Objective) -> FloatMatrix:
        """Utility of each arm's means, shape (1, n_arms), NaN where the objective forbids it."""
        fitted = self.fitted
        values = objective.utility(
            fitted.scales,
            performance=fitted.mean_performance[None],
            judge=fitted.mean_judge[None],
            cost=fitted.cost.means[None],
            latency=fitted.latency.means[None],
        )
        return np.where(self.allowed(objective), values, np.nan)


def _expected_gain(
    fitted: Fitted, objective: Objective, constant: FloatMatrix
) -> ExpectedGain | None:
    held_out = fitted.held_out
    if held_out is None or np.isnan(constant).all():
        return None
    best = int(np.nanargmax(constant))
    forecast = np.where(
        np.isnan(constant), np.nan, held_out.forecast.utility(objective, fitted.scales)
    )
    usable = ~np.isnan(forecast).all(axis=1) & ~np.isnan(forecast[:, best])
    if not usable.any():
        return None
    forecast = forecast[usable]
    actual = held_out.actual.utility(objective, fitted.scales)[usable]
    known = ~np.isnan(actual)
    chance = np.maximum(held_out.propensity[usable], _LEAST_CHANCE)
    value = np.where(known, forecast + (actual - forecast) / chance, forecast)
    rows = np.arange(len(value))
    difference = value[rows, np.nanargmax(forecast, axis=1)] - value[:, best]
    error = float(difference.std() / np.sqrt(len(difference)))
    trades = objective.cost > 0 or objective.latency > 0
    return ExpectedGain(best, float(difference.mean()), error, trades)
