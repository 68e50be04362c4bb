"""A router that learns from every answer at once and explores by itself."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from scipy.special import ndtri

from fusion_agents.encoders.base import Vectors
from fusion_agents.errors import ConfigError
from fusion_agents.objective import Objective
from fusion_agents.outcomes import FloatMatrix, IntVector, Outcomes
from fusion_agents.routers.auto import AutoModel
from fusion_agents.routers.base import Router
from fusion_agents.routers.best import ConstantModel
from fusion_agents.routers.catalogue import make_router
from fusion_agents.routers.exploration import chance_of_being_best, spread_of_utility
from fusion_agents.routers.heads.correction import Correction, Projection
from fusion_agents.routers.interfaces import (
    Batch,
    Estimate,
    Forecast,
    Learned,
    Sample,
    ScoreModel,
    Utilities,
)
from fusion_agents.routers.knn import KNNModel
from fusion_agents.routers.linear import LinearModel
from fusion_agents.routers.options import check_least
from fusion_agents.routers.shrinkage import ArmPrior
from fusion_agents.types import LogEntry, Query

BASES = ("auto", "ridge", "svm", "knn", "best")
"""Routers whose forecasts can be corrected."""

POLICIES = ("thompson", "ucb", "greedy")

_LEAST_CHANCE = 1e-6
"""No allowed arm counts as rarer, so that no drawn arm has propensity zero."""


@dataclass(frozen=True, eq=False)
class BanditModel:
    """Another router's model with a correction that learns online."""

    base: AutoModel | LinearModel | KNNModel | ConstantModel
    correction: Correction

    def predict(self, batch: Batch) -> Estimate:
        """Expect what the base expects, corrected by the answers since it was fitted."""
        return self.correction.apply(self.base.predict(batch), batch.vectors)

    def updated(self, batch: Batch, scores: FloatMatrix) -> "BanditModel":
        """Learn from scores, shape (n_queries, n_arms), NaN where not known; in a copy."""
        forecast = self.base.predict(batch).mean
        return replace(self, correction=self.correction.updated(forecast, batch.vectors, scores))


@dataclass(kw_only=True)
class BanditRouter(Router):
    """Correct another router's forecasts after every answer, and explore while deciding.

    `fit` learns a base router's forecasts from the log. `update` then takes new answers one by
    one or in batches: each arm has a Bayesian linear regression of what the base misses, on a few
    principal coordinates of the query's vector, whose prior is as wide as the base's standard
    errors. What is not known well is tried: `thompson` draws each arm's utility from its
    posterior, `ucb` adds `width` standard errors (deterministic, so its log supports no estimate
    for other policies), `greedy` does neither.

    Thompson draws are a hash of seed, query text and arm, so a query is answered alike until an
    update; the propensity is the arm's probability of being the best under independent normal
    utilities, by quadrature.

    Source: Agrawal and Goyal, Thompson Sampling for Contextual Bandits with Linear Payoffs (arXiv
    1209.3352); Li et al., LinUCB (arXiv 1003.0146), disjoint linear models.

    Args:
        encoder: Turns query text into vectors; called once per `fit`, batch and update.
        base: Router whose forecasts are the prior mean: `auto`, `ridge`, `svm`, `knn` or
            `best`.
        policy: `thompson`, `ucb` or `greedy`.
        width: Standard errors that `ucb` adds; scales the draws of `thompson`. The bases' standard
            errors are careful, so that 1 explores more than pays within some thousand answers.
        n_features: Most principal coordinates that the correction sees.
        doubt: Width of the prior in the base's standard errors; with larger values, single answers
            move the forecasts further.
    """

    name = "bandit"
    model = BanditModel

    base: str = "auto"
    policy: str = "thompson"
    width: float = 0.3
    n_features: int = 16
    doubt: float = 1.0

    def learn(self, sample: Sample) -> ScoreModel:
        """Fit the base; the correction starts at zero."""
        model = self.learn_and_forecast(sample).model
        assert isinstance(model, BanditModel)
        return model

    def learn_and_forecast(self, sample: Sample) -> Learned:
        """Fit the base and keep its out-of-fold forecasts, if it has any."""
        self._check()
        learned = make_router(self.base, seed=self.seed).learn_and_forecast(sample)
        base = learned.model
        assert isinstance(base, AutoModel | LinearModel | KNNModel | ConstantModel)
        correction = Correction.fit(
            Projection.fit(sample.vectors, self.n_features),
            sample.vectors,
            base.predict(Batch(sample.queries, sample.vectors)).std,
            ArmPrior.fit(sample.scores).variance,
            self.doubt,
        )
        return Learned(BanditModel(base, correction), learned.out_of_fold)

    def utilities(self, batch: Batch, forecast: Forecast, objective: Objective) -> Utilities:
        """Expected utility, plus luck (`thompson`) or optimism (`ucb`)."""
        expected = self.expected_utility(forecast, objective)
        spread = self.width * np.nan_to_num(spread_of_utility(forecast, objective))
        if self.policy == "ucb":
            return Utilities(expected + spread)
        if self.policy == "greedy":
            return Utilities(expected)
        luck = self._luck(batch.queries, expected.shape[1])
        allowed = np.where(self.affordable(forecast, objective), expected, np.nan)
        chance = np.maximum(chance_of_being_best(allowed, spread), _LEAST_CHANCE)
        return Utilities(
            expected + spread * luck,
            (f"highest utility under {objective.name}, drawn from the posterior",) * len(luck),
            np.where(np.isnan(allowed), 0.0, chance),
        )

    def update(self, news: LogEntry | Outcomes, vectors: Vectors | None = None) -> Self:
        """Learn from new answers; a decision made meanwhile uses what was there before or after.

        Each scored answer counts once for each time it is given. Costs and latencies, scales and
        held-out evidence stay as fitted. An arm that the log knew no score of gets a forecast with
        its first one.

        Args:
            news: An entry of the log, or several as outcomes; unscored ones change nothing.
            vectors: Of their queries, from the router's own encoder, if they are at hand.

        Raises:
            ConfigError: If the router is not fitted, or an arm is not one of its arms.
        """
        outcomes = news if isinstance(news, Outcomes) else Outcomes.from_entries([news])
        columns = self._columns(outcomes)
        batch = self._batch(outcomes.queries, vectors)
        fitted = self.fitted
        models = {}
        for name in ("performance", "judge"):
            model = getattr(fitted, name)
            scores = np.full((outcomes.n_queries, len(fitted.arms)), np.nan)
            scores[:, columns] = getattr(outcomes, name)
            known = isinstance(model, BanditModel) and not np.isnan(scores).all()
            models[name] = model.updated(batch, scores) if known else model
        n_answers = fitted.n_answers.copy()
        n_answers[columns] += outcomes.answered.sum(axis=0)
        grown = hashlib.sha256((fitted.fingerprint + outcomes.fingerprint).encode()).hexdigest()
        self.fitted_ = replace(fitted, n_answers=n_answers, fingerprint=grown, **models)
        return self

    def _columns(self, outcomes: Outcomes) -> IntVector:
        places = {arm: i for i, arm in enumerate(self.fitted.arms)}
        names = list(map(str, outcomes.arms))
        if unknown := [name for name in names if name not in places]:
            raise ConfigError(
                f"router {self.name!r} does not know {', '.join(unknown)}: fit it on a log that "
                "has these arms"
            )
        return np.array([places[name] for name in names], dtype=np.int64)

    def _luck(self, queries: Sequence[Query], n_arms: int) -> FloatMatrix:
        """Standard normal draws, (n_queries, n_arms); an arm's does not depend on the others."""
        draws = [
            int.from_bytes(hashlib.blake2b(f"{arm}\n".encode() + text, digest_size=6).digest())
            for text in (f"{self.seed}\n{q.text}".encode("utf-8", "surrogatepass") for q in queries)
            for arm in range(n_arms)
        ]
        return np.asarray(ndtri((np.array(draws) + 0.5) / 2**48)).reshape(len(queries), n_arms)

    def _check(self) -> None:
        check_least(self, width=0, n_features=0, doubt=0)
        for option, value, known in (
            ("base", self.base.partition(":")[0], BASES),
            ("policy", self.policy, POLICIES),
        ):
            if value not in known:
                raise ConfigError(
                    f"option {option} of router {self.name!r} must be one of {', '.join(known)}, "
                    f"not {value!r}"
                )
