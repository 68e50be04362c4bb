"""A linear correction of another model's forecasts that learns from one answer at a time."""

from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from fusion_agents.encoders.base import Vectors
from fusion_agents.outcomes import FloatMatrix
from fusion_agents.routers.interfaces import BoolVector, Estimate

_LEAST_VARIANCE = 1e-6
_UNKNOWN_VARIANCE = 0.0625
"""Prior variance of an arm of which nothing is known: a quarter of the scale either way."""

Column = NDArray[np.float64]


class Projection(NamedTuple):
    """Turns vectors into a constant and a few principal coordinates of unit total variance."""

    center: NDArray[np.float32]
    """Mean of the logged vectors, shape (n_dims,)."""
    axes: NDArray[np.float32]
    """Scaled principal axes, shape (n_dims, n_features)."""

    @classmethod
    def fit(cls, vectors: Vectors, n_features: int) -> Self:
        """Learn the axes along which the logged queries differ most."""
        center = vectors.mean(axis=0)
        centered = (vectors - center).astype(np.float64)
        strength, axes = np.linalg.eigh(centered.T @ centered / len(centered))
        strongest = np.argsort(-strength, kind="stable")[:n_features]
        kept = strongest[strength[strongest] > 1e-9]
        scale = np.sqrt(max(float(strength[kept].sum()), 1e-9))
        scaled = np.ascontiguousarray(axes[:, kept] / scale, dtype=np.float32)
        return cls(center.astype(np.float32), scaled)

    def features(self, vectors: Vectors) -> FloatMatrix:
        """Shape (n_queries, n_features + 1)."""
        coordinates = (vectors - self.center) @ self.axes
        return np.column_stack([np.ones(len(vectors)), coordinates.astype(np.float64)])


@dataclass(frozen=True, eq=False)
class Correction:
    """For each arm, a Bayesian linear regression of what another model's forecast misses.

    Before any update it changes nothing: the forecast and its standard error are the other
    model's. An answer moves the forecast of its arm for similar queries, and narrows it.
    The posterior is that of normal weights of equal variance and normal noise. Source: Bishop,
    Pattern Recognition and Machine Learning (2006), section 3.3; one answer at a time by the
    formula of Sherman and Morrison.
    """

    projection: Projection
    weights: FloatMatrix
    """Shape (n_arms, n_features + 1)."""
    covariance: NDArray[np.float64]
    """Of the weights, shape (n_arms, n_features + 1, n_features + 1)."""
    prior: Column
    """Variance of each weight before any update, shape (n_arms,)."""
    noise: Column
    """Variance of single scores, shape (n_arms,)."""
    known: BoolVector
    """Arms of which the other model or an update has told something, shape (n_arms,)."""

    @classmethod
    def fit(
        cls, projection: Projection, vectors: Vectors, std: FloatMatrix, noise: Column, width: float
    ) -> Self:
        """Take the forecasts' standard errors on the logged queries as the prior's width.

        Args:
            projection: Of the vectors.
            vectors: Of logged queries, shape (n_queries, n_dims).
            std: The other model's standard errors for them, shape (n_queries, n_arms).
            noise: Variance of single scores, shape (n_arms,), NaN where not known.
            width: Multiplies the prior's standard error.
        """
        features = projection.features(vectors)
        length = float((features**2).sum(axis=1).mean())
        known: BoolVector = ~np.any(np.isnan(std), axis=0)
        variance = np.mean(std**2, axis=0)
        widest = max([_UNKNOWN_VARIANCE, *variance[known].tolist()])
        stated = np.where(known, variance, widest)
        prior = np.maximum(width**2 * stated, _LEAST_VARIANCE) / length
        n = features.shape[1]
        pooled = float(np.nanmean(noise)) if known.any() else _UNKNOWN_VARIANCE
        return cls(
            projection=projection,
            weights=np.zeros((len(prior), n)),
            covariance=prior[:, None, None] * np.eye(n),
            prior=prior,
            noise=np.maximum(np.where(np.isnan(noise), pooled, noise), _LEAST_VARIANCE),
            known=known,
        )

    def apply(self, forecast: Estimate, vectors: Vectors) -> Estimate:
        """Correct the other model's forecast, shape (n_queries, n_arms)."""
        features = self.projection.features(vectors)
        variance = np.einsum("qf,afg,qg->qa", features, self.covariance, features, optimize=True)
        start = self.prior * (features**2).sum(axis=1, keepdims=True)
        stated = np.where(np.isnan(forecast.std), np.sqrt(start), forecast.std)
        mean = filled(forecast.mean) + features @ self.weights.T
        std = stated * np.sqrt(np.clip(variance / start, 0.0, 1.0))
        unknown = np.where(self.known, 0.0, np.nan)
        return Estimate(mean + unknown, std + unknown)

    def updated(self, forecast: FloatMatrix, vectors: Vectors, scores: FloatMatrix) -> Self:
        """Learn from scores, shape (n_queries, n_arms), NaN where not known; in a copy.

        Args:
            forecast: What the other model expected of them, same shape.
            vectors: Of the queries.
            scores: What came out.
        """
        features = self.projection.features(vectors)
        surprise = scores - filled(forecast)
        weights, covariance = self.weights.copy(), self.covariance.copy()
        for row, arm in np.argwhere(~np.isnan(scores)).tolist():
            x = features[row]
            direction = covariance[arm] @ x
            gain = direction / (self.noise[arm] + x @ direction)
            weights[arm] += gain * (surprise[row, arm] - x @ weights[arm])
            covariance[arm] -= np.outer(gain, direction)
        known = self.known | ~np.isnan(scores).all(axis=0)
        return replace(self, weights=weights, covariance=covariance, known=known)


def filled(forecast: FloatMatrix) -> FloatMatrix:
    """Expect of an arm without forecast what is expected of the others on average."""
    unknown = np.isnan(forecast)
    if not unknown.any():
        return forecast
    count = np.maximum((~unknown).sum(axis=1, keepdims=True), 1)
    average = np.nansum(forecast, axis=1, keepdims=True) / count
    complete: FloatMatrix = np.where(unknown, average, forecast)
    return complete
