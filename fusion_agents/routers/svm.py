"""One linear support vector regression for each arm."""

from dataclasses import dataclass

import numpy as np

from fusion_agents.outcomes import FloatMatrix
from fusion_agents.routers.base import Router
from fusion_agents.routers.interfaces import Sample
from fusion_agents.routers.linear import LinearError, LinearModel, fit_ridge
from fusion_agents.routers.options import check_least
from fusion_agents.routers.shrinkage import ArmPrior


@dataclass(kw_only=True)
class SVMRouter(Router):
    """Forecast each arm's score by a linear support vector regression.

    How hard a query is for all arms together comes from a ridge regression; what is left of each
    arm from a support vector regression on the queries that it answered, with squared
    epsilon-insensitive loss: errors below `epsilon` are free, and larger ones count squared, so
    that the forecast is a mean. (With absolute errors it is a median, which for right and wrong
    answers is always 0 or 1.) Standard errors are those of a Bayesian linear regression with
    penalty `1 / (2 * C)`; see `LinearError`.

    Source: FusionFactory (arXiv 2507.10540), RouterSVM, which trains a classifier for each arm to
    tell whether it is the single best one and compares their uncalibrated margins; this one fits
    graded scores, which can be compared.

    Args:
        encoder: Turns query text into vectors; called once per `fit` and once per batch.
        C: Weight of the errors against the size of the weights; 0 takes that of the ridge
            regression that cross-validation chooses.
        epsilon: Errors up to this do not count.
    """

    name = "svm"
    model = LinearModel

    C: float = 0.0
    epsilon: float = 0.05

    def learn(self, sample: Sample) -> LinearModel:
        """Fit the shared part, then what is left of each arm."""
        check_least(self, C=0, epsilon=0)
        arms = ArmPrior.fit(sample.scores)
        center = sample.vectors.mean(axis=0)
        features = (sample.vectors - center).astype(np.float64)
        residual = sample.scores - arms.mean
        shared = np.nanmean(residual, axis=1, keepdims=True)
        level = fit_ridge(features, shared, sample.folds).weights
        own = residual - features @ level
        alpha = 1.0 / (2.0 * self.C) if self.C else fit_ridge(features, own, sample.folds).alpha
        count = (~np.isnan(sample.scores)).sum(axis=0)
        error = LinearError.fit(features, count, arms, alpha)
        weights: FloatMatrix = level + self._fit_arms(features, own, 1.0 / (2.0 * alpha))
        return LinearModel(center, weights, arms, error)

    def _fit_arms(self, features: FloatMatrix, targets: FloatMatrix, C: float) -> FloatMatrix:
        """Weights of each target, shape (n_dims, n_targets); zero where it is never known."""
        from sklearn.svm import LinearSVR  # noqa: PLC0415

        weights = np.zeros((features.shape[1], targets.shape[1]))
        for arm, target in enumerate(targets.T):
            known = ~np.isnan(target)
            if known.any():
                machine = LinearSVR(
                    C=C,
                    epsilon=self.epsilon,
                    loss="squared_epsilon_insensitive",
                    dual=False,
                    fit_intercept=False,
                    max_iter=10_000,
                )
                weights[:, arm] = machine.fit(features[known], target[known]).coef_
        return weights
