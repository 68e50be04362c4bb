"""A bilinear model of queries and arms of low rank."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fusion_agents.outcomes import FloatMatrix
from fusion_agents.routers.base import Router
from fusion_agents.routers.interfaces import Batch, Estimate, Sample
from fusion_agents.routers.linear import ALPHAS, LinearError, fit_ridge
from fusion_agents.routers.options import check_least
from fusion_agents.routers.shrinkage import ArmPrior

_N_SWEEPS = 50
_CONVERGED = 1e-6


@dataclass(frozen=True, eq=False)
class FactorModel:
    """Query factors, linear in the query's vector, times arm factors."""

    center: NDArray[np.float32]
    """Mean of the logged vectors, shape (n_dims,)."""
    level: NDArray[np.float64]
    """How easy a query is for all arms, shape (n_dims,)."""
    query_factors: FloatMatrix
    """Shape (n_dims, rank)."""
    arm_factors: FloatMatrix
    """Orthonormal columns, shape (n_arms, rank)."""
    arms: ArmPrior
    error: LinearError

    def predict(self, batch: Batch) -> Estimate:
        """Multiply the factors."""
        features = batch.vectors - self.center
        own = (features @ self.query_factors) @ self.arm_factors.T
        level = (features @ self.level)[:, None]
        return Estimate(self.arms.mean + level + own, self.error.std(features))


@dataclass(kw_only=True)
class MFRouter(Router):
    """Forecast scores as the product of a few query factors and arm factors.

    The score is the arm's mean, plus how easy the query is for all arms, plus the product of
    query factors (linear in the query's vector) and arm factors; so arms with few answers borrow
    from arms that behave alike. It is the ridge regression of lowest squared error among those of
    this rank (reduced-rank ridge), found in closed form; missing cells are filled with the model's
    own forecasts and the fit is repeated until they stay. The penalty comes from cross-validation
    of the full-rank regression. Standard errors are those of a Bayesian linear regression; see
    `LinearError`.

    Source: the matrix factorisation router of RouteLLM (arXiv 2406.18665), which learns to tell
    winners of pairs; this one fits graded scores of any number of arms.

    Args:
        encoder: Turns query text into vectors; called once per `fit` and once per batch.
        rank: Largest number of factors, at least 1.
        alpha: Penalty on squared weights; 0 chooses it by cross-validation.
    """

    name = "mf"
    model = FactorModel

    rank: int = 5
    alpha: float = 0.0

    def learn(self, sample: Sample) -> FactorModel:
        """Fit the shared part, then the factors of what is left."""
        check_least(self, rank=1, alpha=0)
        arms = ArmPrior.fit(sample.scores)
        center = sample.vectors.mean(axis=0)
        features = (sample.vectors - center).astype(np.float64)
        factors = fit_factors(features, sample, arms, self.rank, self.alpha)
        count = (~np.isnan(sample.scores)).sum(axis=0)
        return FactorModel(
            center=center,
            level=factors.level,
            query_factors=factors.query_factors,
            arm_factors=factors.arm_factors,
            arms=arms,
            error=LinearError.fit(features, count, arms, factors.alpha),
        )


class Factors(NamedTuple):
    """A fitted bilinear model and its penalties."""

    level: NDArray[np.float64]
    level_alpha: float
    query_factors: FloatMatrix
    arm_factors: FloatMatrix
    alpha: float


def fit_factors(
    features: FloatMatrix, sample: Sample, arms: ArmPrior, rank: int, alpha: float
) -> Factors:
    """Fit a bilinear model to scores less the arms' means; `alpha` 0 is cross-validated."""
    alphas = (alpha,) if alpha else ALPHAS
    residual = sample.scores - arms.mean
    shared = np.nanmean(residual, axis=1, keepdims=True)
    level = fit_ridge(features, shared, sample.folds, alphas)
    own = residual - features @ level.weights
    chosen = alpha or fit_ridge(features, own, sample.folds, alphas).alpha
    query_factors, arm_factors = reduced_rank_ridge(features, own, rank, chosen)
    return Factors(level.weights[:, 0], level.alpha, query_factors, arm_factors, chosen)


def reduced_rank_ridge(
    features: FloatMatrix, targets: FloatMatrix, rank: int, alpha: float
) -> tuple[FloatMatrix, FloatMatrix]:
    """Factors of the ridge weights of at most this rank, missing targets left out.

    Returns:
        Shapes (n_dims, rank) and (n_targets, rank).
    """
    known = ~np.isnan(targets)
    filled = np.where(known, targets, 0.0)
    gram = features.T @ features
    inverse = np.linalg.inv(gram + alpha * np.eye(len(gram)))
    for _ in range(_N_SWEEPS):
        moment = features.T @ filled
        weights = inverse @ moment
        _, axes = np.linalg.eigh(moment.T @ weights)
        arm_factors = axes[:, ::-1][:, :rank]
        query_factors = weights @ arm_factors
        forecast = features @ query_factors @ arm_factors.T
        change = np.abs(np.where(known, 0.0, filled - forecast)).max()
        if change < _CONVERGED:
            break
        filled = np.where(known, targets, forecast)
    return query_factors, arm_factors
