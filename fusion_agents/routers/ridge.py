"""One linear function of the query for each arm, fitted by least squares."""

from dataclasses import dataclass

import numpy as np

from fusion_agents.outcomes import FloatMatrix
from fusion_agents.routers.base import Router
from fusion_agents.routers.interfaces import Sample
from fusion_agents.routers.linear import ALPHAS, LinearError, LinearModel, fit_ridge
from fusion_agents.routers.options import check_least
from fusion_agents.routers.shrinkage import ArmPrior


@dataclass(kw_only=True)
class RidgeRouter(Router):
    """Forecast each arm's score as a linear function of the query's vector.

    Two regressions add up: how hard a query is for all arms together, and how each arm deviates
    from that. An arm with few answers so keeps the benefit of what the others' answers say of the
    query. Each arm is fitted to the queries that it answered. Standard errors are those of a
    Bayesian linear regression; see `LinearError`.

    Source: the linear utility model of predictive routing, such as arXiv 2505.12601 and the
    baselines of RouterBench (arXiv 2403.12031).

    Args:
        encoder: Turns query text into vectors; called once per `fit` and once per batch.
        alpha: Penalty on squared weights; 0 chooses it by cross-validation.
    """

    name = "ridge"
    model = LinearModel

    alpha: float = 0.0

    def learn(self, sample: Sample) -> LinearModel:
        """Fit the shared part, then what is left of each arm."""
        check_least(self, alpha=0)
        arms = ArmPrior.fit(sample.scores)
        center = sample.vectors.mean(axis=0)
        features = (sample.vectors - center).astype(np.float64)
        alphas = (self.alpha,) if self.alpha else ALPHAS
        residual = sample.scores - arms.mean
        shared = np.nanmean(residual, axis=1, keepdims=True)
        level = fit_ridge(features, shared, sample.folds, alphas).weights
        own = fit_ridge(features, residual - features @ level, sample.folds, alphas)
        count = (~np.isnan(sample.scores)).sum(axis=0)
        error = LinearError.fit(features, count, arms, own.alpha)
        weights: FloatMatrix = level + own.weights
        return LinearModel(center, weights, arms, error)
