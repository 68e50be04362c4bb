"""Forecasts of what an answer will cost and how long it will take."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from fusion_agents.encoders.base import Vectors
from fusion_agents.outcomes import FloatMatrix
from fusion_agents.types import Query

_PENALTY = 3.0
_MIN_ANSWERS = 30


@dataclass(frozen=True, eq=False)
class QuantityModel:
    """Expects a positive quantity (dollars, seconds) for each query and arm.

    A ridge regression on the logarithm, over the query's vector and its length, scaled so that the
    mean of the forecasts over the training queries equals the arm's mean (the logarithm's mean is
    not the mean's logarithm). Arms with fewer than 30 values, and routers that do not look at the
    query, get the arm's mean; arms without any value get NaN.
    """

    means: NDArray[np.float64]
    """Arm means, shape (n_arms,)."""
    weights: NDArray[np.float64]
    """Shape (n_features + 1, n_arms); zero where the mean is used."""
    factors: NDArray[np.float64]
    """What makes the forecasts' mean right, shape (n_arms,); 0 where the mean is used."""
    bounds: NDArray[np.float64]
    """Smallest and largest value seen of each arm, shape (2, n_arms)."""

    @classmethod
    def fit(cls, queries: Sequence[Query], vectors: Vectors, values: FloatMatrix) -> Self:
        """Learn from values of shape (n_queries, n_arms), NaN where not known."""
        n_arms = values.shape[1]
        features = _features(queries, vectors)
        means, factors = np.full(n_arms, np.nan), np.zeros(n_arms)
        weights = np.zeros((features.shape[1], n_arms))
        bounds = np.full((2, n_arms), np.nan)
        known = ~np.isnan(values)
        gram: dict[bytes, NDArray[np.float64]] = {}
        for arm in range(n_arms):
            seen = values[known[:, arm], arm]
            if not len(seen):
                continue
            means[arm], bounds[:, arm] = seen.mean(), (seen.min(), seen.max())
            constant = seen.min() <= 0 or seen.min() == seen.max()
            if constant or len(seen) < _MIN_ANSWERS or not vectors.shape[1]:
                continue
            x = features[known[:, arm]]
            answered = known[:, arm].tobytes()
            if answered not in gram:
                gram[answered] = x.T @ x + _PENALTY * _not_first(x.shape[1])
            weights[:, arm] = np.linalg.solve(gram[answered], x.T @ np.log(seen))
            factors[arm] = seen.mean() / np.exp(x @ weights[:, arm]).mean()
        return cls(means, weights, factors, bounds)

    def predict(self, queries: Sequence[Query], vectors: Vectors) -> FloatMatrix:
        """Expect the quantity, shape (n_queries, n_arms), within the range seen of each arm."""
        forecast: FloatMatrix = np.broadcast_to(self.means, (len(queries), len(self.means))).copy()
        learned = self.factors > 0
        if learned.any() and len(queries):
            logs = np.clip(_features(queries, vectors) @ self.weights, -60, 60)
            values = np.clip(np.exp(logs) * self.factors, *self.bounds)
            forecast[:, learned] = values[:, learned]
        return forecast


def _features(queries: Sequence[Query], vectors: Vectors) -> NDArray[np.float64]:
    """A constant, the logarithm of the text's length (about unit scale) and the vector."""
    length = np.array([np.log1p(len(query.text)) / 8.0 for query in queries])
    return np.column_stack([np.ones(len(queries)), length, vectors.astype(np.float64)])


def _not_first(n: int) -> NDArray[np.float64]:
    """Identity that leaves the constant free."""
    identity = np.eye(n)
    identity[0, 0] = 0.0
    return identity
