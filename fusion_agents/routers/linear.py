"""Linear regressions on query vectors for scores with missing cells."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from fusion_agents.encoders.base import Vectors
from fusion_agents.outcomes import FloatMatrix, IntVector
from fusion_agents.routers.interfaces import Batch, Estimate
from fusion_agents.routers.shrinkage import ArmPrior

ALPHAS = (30_000.0, 10_000.0, 3_000.0, 1_000.0, 300.0, 100.0, 30.0, 10.0, 3.0, 1.0)
"""Penalties to choose from, the strongest first, so that it wins ties."""


class RidgeFit(NamedTuple):
    """A ridge regression and the penalty that cross-validation chose."""

    weights: FloatMatrix
    """Shape (n_dims, n_targets)."""
    alpha: float


def fit_ridge(
    features: FloatMatrix,
    targets: FloatMatrix,
    folds: IntVector,
    alphas: tuple[float, ...] = ALPHAS,
) -> RidgeFit:
    """Regress targets on features, without a constant, at the penalty that predicts best.

    Each target is fitted to the queries where it is known; targets that are known at the same
    queries share the work. One penalty for all targets has the lowest squared error out of fold,
    where errors are compared within a query, because what all arms share changes no decision.

    Args:
        features: Shape (n_queries, n_dims), centred.
        targets: Shape (n_queries, n_targets), NaN where not known.
        folds: A fold number for each query.
        alphas: Penalties to choose from; the first of equally good ones is taken.
    """
    n_folds = int(folds.max()) + 1
    weights = np.zeros((len(alphas), features.shape[1], targets.shape[1]))
    errors = np.full((len(alphas), *targets.shape), np.nan)
    for columns in _equally_known(targets):
        known = ~np.isnan(targets[:, columns[0]])
        blocks = [known & (folds == fold) for fold in range(n_folds)]
        grams = np.array([features[b].T @ features[b] for b in blocks])
        moments = np.array([features[b].T @ targets[np.ix_(b, columns)] for b in blocks])
        gram, moment = grams.sum(axis=0), moments.sum(axis=0)
        weights[:, :, columns] = _solve(gram, moment, alphas)
        if len(alphas) == 1:
            continue
        for block, own_gram, own_moment in zip(blocks, grams, moments, strict=True):
            without = _solve(gram - own_gram, moment - own_moment, alphas)
            cells = np.ix_(block, columns)
            errors[(slice(None), *cells)] = targets[cells] - features[block] @ without
    best = 0 if len(alphas) == 1 else int(np.argmin([_loss(error) for error in errors]))
    return RidgeFit(weights[best], alphas[best])


def _equally_known(targets: FloatMatrix) -> Iterator[list[int]]:
    """Columns that are known at the same queries; those known nowhere are left out."""
    groups: dict[bytes, list[int]] = {}
    for column, known in enumerate(~np.isnan(targets.T)):
        if known.any():
            groups.setdefault(known.tobytes(), []).append(column)
    yield from groups.values()


def _solve(gram: FloatMatrix, moment: FloatMatrix, alphas: tuple[float, ...]) -> FloatMatrix:
    """Ridge weights at each penalty, shape (n_alphas, n_dims, n_targets)."""
    unit = np.eye(len(gram))
    return np.array([np.linalg.solve(gram + alpha * unit, moment) for alpha in alphas])


def _loss(error: FloatMatrix) -> float:
    """Sum of squared errors, less what all arms of a query share, where several are known."""
    several = (~np.isnan(error)).sum(axis=1) > 1
    if not several.any():
        return float(np.nansum(error**2))
    compared = error[several]
    return float(np.nansum((compared - np.nanmean(compared, axis=1, keepdims=True)) ** 2))


@dataclass(frozen=True, eq=False)
class LinearError:
    """Standard errors of linear forecasts.

    They are those of a Bayesian linear regression with penalty `alpha`: large for queries unlike
    the logged ones and for arms with few answers. The noise is taken to be all of the spread of an
    arm's scores, which errs on the careful side, and an arm's answers are taken to be spread over
    the log like all queries.
    """

    axes: Vectors
    """Principal axes of the logged queries, shape (n_dims, n_dims)."""
    factors: FloatMatrix
    """Variance for a unit of squared length along each axis, shape (n_dims, n_arms)."""
    floor: NDArray[np.float64]
    """Variance of the arms' means, shape (n_arms,)."""

    @classmethod
    def fit(cls, features: FloatMatrix, count: IntVector, arms: ArmPrior, alpha: float) -> Self:
        """Learn from centred features and the arms' numbers of answers."""
        strength, axes = np.linalg.eigh(features.T @ features)
        share = count / len(features)
        factors = arms.variance / (np.maximum(strength, 0.0)[:, None] * share + alpha)
        return cls(axes.astype(np.float32), factors, arms.error)

    def std(self, features: Vectors) -> FloatMatrix:
        """Standard errors for centred features, shape (n_queries, n_arms)."""
        return np.sqrt((features @ self.axes) ** 2 @ self.factors + self.floor)


@dataclass(frozen=True, eq=False)
class LinearModel:
    """Expects an arm's mean plus a linear function of the query's vector."""

    center: NDArray[np.float32]
    """Mean of the logged vectors, shape (n_dims,)."""
    weights: FloatMatrix
    """Shape (n_dims, n_arms)."""
    arms: ArmPrior
    error: LinearError

    def predict(self, batch: Batch) -> Estimate:
        """Evaluate the linear functions."""
        features = batch.vectors - self.center
        return Estimate(self.arms.mean + features @ self.weights, self.error.std(features))
