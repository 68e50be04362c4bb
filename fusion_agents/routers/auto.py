"""The default router: a blend chosen by cross-validation on the user's own log."""

from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fusion_agents.objective import Objective
from fusion_agents.outcomes import FloatMatrix
from fusion_agents.routers.base import Router
from fusion_agents.routers.cold_start import ColdStart, fit_cold_start, new_arms
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

_DOUBT = 0.5
"""Standard errors by which a new arm must be expected to be better than the others."""

_LEAST_LOSS = 1e-6
"""What a new arm is taken to lose where it is not believed in; more than a tie."""

_LEAST_CHANCE = 0.1
"""No answer counts as more than ten: of logs with exploration, more is noise above all."""


_LEADS = "new arm: expected to be better than routing among the others"


@dataclass(frozen=True, eq=False)
class AutoModel:
    """A blend, and how it tells that a query is unlike the log."""

    n_arms: int
    scored: NDArray[np.int64]
    """Positions of the arms that the blend knows."""
    blend: BlendModel
    novelty: Novelty
    settings: tuple[str, ...]
    """In words: what was chosen for each family of heads."""
    joined: NDArray[np.int64] | None = None
    """Positions of new arms, if there are any; arms of neither kind have forecasts of NaN."""
    cold_start: ColdStart | None = None
    """Expects the new arms' scores from what is expected of the others."""

    def predict(self, batch: Batch) -> Estimate:
        """Expect each arm's score by the blend, and a new arm's by what it has in common."""
        blended = self.blend.predict(batch)
        if self.cold_start is None:
            return Estimate(*(self._everywhere(values) for values in blended))
        new = self.cold_start.predict(blended.mean, batch.vectors)
        return Estimate(*(self._everywhere(*both) for both in zip(blended, new, strict=True)))

    @property
    def is_new(self) -> BoolVector:
        """Which arms are new, shape (n_arms,)."""
        return np.isin(np.arange(self.n_arms), [] if self.joined is None else self.joined)

    def _everywhere(self, values: FloatMatrix, new: FloatMatrix | None = None) -> FloatMatrix:
        if len(self.scored) == self.n_arms:
            return values
        spread = np.full((len(values), self.n_arms), np.nan)
        spread[:, self.scored] = values
        if new is not None:
            spread[:, self.joined] = new
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
    missing: float = 0.0
    """Share of the outcomes that nobody knows."""

    @property
    def pays(self) -> bool:
        """Whether the evidence allows routing.

        For quality alone there must be a gain on a complete log. The more is missing, the more of
        the estimate is noise, so there the loss must be larger to count: up to a standard error.
        Where quality is traded, what is saved is certain and what is lost is not, so there must
        only be no significant loss (two standard errors).
        """
        allowed = 2.0 if self.trades else self.missing
        return self.gain > -allowed * self.standard_error


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

    An arm with at most 200 scores, and a quarter of what another arm has, is new. The blend is
    fitted without it; its forecast is a regression on theirs (see `fit_cold_start`), and it is
    chosen where it is expected to be better than their choice by half of
    its standard error.

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
        new = new_arms(sample.scores)
        scored = np.flatnonzero(~np.isnan(sample.scores).all(axis=0) & ~new)
        rows = np.asarray((~np.isnan(sample.scores[:, scored])).any(axis=1))
        established = sample if rows.all() else sample.take(rows)
        established = replace(established, scores=established.scores[:, scored])
        fitted = fit_blend(established)
        novelty = Novelty.fit(
            fitted.model.neighbours,
            established.vectors,
            established.folds,
            self.novelty,
            self.caution,
        )
        model = AutoModel(sample.scores.shape[1], scored, fitted.model, novelty, fitted.settings)
        if not new.any():
            return Learned(model, model._everywhere(fitted.out_of_fold))
        out_of_fold = np.full((len(rows), len(scored)), np.nan)
        out_of_fold[rows] = fitted.out_of_fold
        return _joined(model, sample, out_of_fold, np.flatnonzero(new))

    def utilities(self, batch: Batch, forecast: Forecast, objective: Objective) -> Utilities:
        """Weigh the forecast; give the best single arm where a guard holds routing back."""
        values = self._doubted(self.expected_utility(forecast, objective), forecast, objective)
        expected = self.expected_gain(objective)
        if expected is None:
            return Utilities(values)
        new = self._new(objective)
        leader = self._leader(objective, expected)
        if leader is not None:
            return Utilities(_first(values, leader), (_LEADS,) * len(values))
        if expected.pays:
            known = np.where(new, np.nan, values)
            held_back = self._too_new(batch, forecast, objective, known, expected.best)
            why = "unlike the logged queries: best single arm"
        else:
            held_back = np.full(len(values), True)
            why = "routing does not pay in the log out of fold: best single arm"
        usual = f"highest utility under {objective.name}"
        constant = np.tile(self._constant_utility(objective), (len(values), 1))
        overtaken = np.full(len(values), False)
        if new.any():
            ahead = self._ahead(batch, forecast, objective, values, expected.best)[:, new]
            constant[:, new] = constant[:, [expected.best]] + ahead
            overtaken = np.asarray((ahead > 0).any(axis=1))
        return Utilities(
            np.where(held_back[:, None], constant, values),
            [why if back else usual for back in (held_back & ~overtaken).tolist()],
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

    def _new(self, objective: Objective) -> BoolVector:
        """Which arms are new to what the objective weighs, shape (n_arms,)."""
        new = np.full(len(self.fitted.arms), False)
        weighed = (objective.performance, objective.judge)
        for weight, model in zip(
            weighed, (self.fitted.performance, self.fitted.judge), strict=True
        ):
            if weight and isinstance(model, AutoModel):
                new |= model.is_new
        return new

    def _leader(self, objective: Objective, expected: ExpectedGain) -> int | None:
        """A new arm whose mean is expected to beat routing among the others, if there is one."""
        new = self._new(objective) & self.allowed(objective)
        if not new.any():
            return None
        fitted = self.fitted
        values = objective.utility(
            fitted.scales,
            performance=_with_new(fitted.mean_performance, fitted.performance)[None],
            judge=_with_new(fitted.mean_judge, fitted.judge)[None],
            cost=fitted.cost.means[None],
            latency=fitted.latency.means[None],
        )[0]
        routed = self._constant_utility(objective)[0, expected.best] + max(expected.gain, 0.0)
        best = int(np.argmax(np.where(new & ~np.isnan(values), values, -np.inf)))
        return best if values[best] > routed else None

    def _doubted(
        self, values: FloatMatrix, forecast: Forecast, objective: Objective
    ) -> FloatMatrix:
        """Ask of a new arm to be better by half of its standard error."""
        new = self._new(objective)
        if not new.any():
            return values
        error = objective.performance * np.nan_to_num(forecast.performance_std)
        error = error + objective.judge * np.nan_to_num(forecast.judge_std)
        return values - np.where(new, _DOUBT * error, 0.0)

    def _ahead(
        self,
        batch: Batch,
        forecast: Forecast,
        objective: Objective,
        values: FloatMatrix,
        best: int,
    ) -> FloatMatrix:
        """By how much new arms are expected to be better than the best single arm.

        Never by anything where a query is too unlike the log for the advantage to be believed.
        """
        ahead = values - values[:, [best]]
        new = self._new(objective)
        mine = np.where(new, values, np.nan)
        mine[:, best] = values[:, best]
        doubtful = self._too_new(batch, forecast, objective, mine, best)
        return np.where(doubtful[:, None], np.minimum(ahead, -_LEAST_LOSS), ahead)

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
        return np.where(self.allowed(objective) & ~self._new(objective), values, np.nan)


def _first(values: FloatMatrix, arm: int) -> FloatMatrix:
    """Lower the other arms' utilities, in their order, until one arm's is the highest."""
    others = np.delete(values, arm, axis=1)
    behind = np.fmax.reduce(others, axis=1, initial=-np.inf) - values[:, arm] + _LEAST_LOSS
    lowered = values - np.where(behind > 0, behind, 0.0)[:, None]
    lowered[:, arm] = values[:, arm]
    return lowered


def _with_new(means: NDArray[np.float64], model: object) -> NDArray[np.float64]:
    """Means of all arms, those of new ones as they are expected with some doubt."""
    if not isinstance(model, AutoModel) or model.cold_start is None:
        return means
    doubted = means.copy()
    doubted[model.joined] = model.cold_start.mean - _DOUBT * model.cold_start.error
    return doubted


def _joined(
    model: AutoModel, sample: Sample, out_of_fold: FloatMatrix, new: NDArray[np.int64]
) -> Learned:
    """Add new arms to a model of the others.

    Queries that were not cross-validated are left out, but for those that a new arm answered.
    """
    answered = ~np.isnan(sample.scores[:, new]).all(axis=1)
    missing = np.asarray(answered & np.isnan(out_of_fold).any(axis=1))
    if missing.any():
        part = sample.take(missing)
        out_of_fold[missing] = model.blend.predict(Batch(part.queries, part.vectors)).mean
    rows = ~np.isnan(out_of_fold).any(axis=1)
    cards = sample.cards
    fitted = fit_cold_start(
        (out_of_fold[rows], sample.scores[np.ix_(rows, model.scored)]),
        sample.scores[np.ix_(rows, new)],
        sample.vectors[rows],
        sample.folds[rows],
        cards=([cards[i] for i in model.scored], [cards[i] for i in new]) if cards else None,
        seed=sample.seed,
    )
    model = replace(model, joined=new, cold_start=fitted.model)
    everything = np.full(sample.scores.shape, np.nan)
    everything[rows] = model._everywhere(out_of_fold[rows], fitted.out_of_fold)
    return Learned(model, everything)


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
    missing = 1 - float(known.mean())
    return ExpectedGain(best, float(difference.mean()), error, trades, missing)
