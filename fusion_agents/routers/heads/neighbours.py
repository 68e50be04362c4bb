"""Means over the most similar logged queries."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fusion_agents.encoders.base import Vectors
from fusion_agents.outcomes import FloatMatrix
from fusion_agents.routers.interfaces import Batch, Estimate, Sample
from fusion_agents.routers.statistics import arm_means

_CHUNK = 512


@dataclass(frozen=True, eq=False)
class Projection:
    """Principal components of vectors, unit length again after projection."""

    mean: NDArray[np.float32]
    axes: NDArray[np.float32]
    """Shape (n_dims, n_kept)."""

    @classmethod
    def fit(cls, vectors: Vectors, n_kept: int) -> "Projection":
        """Keep the directions of largest variance."""
        mean = vectors.mean(axis=0, dtype=np.float64)
        centred = vectors - mean
        values, axes = np.linalg.eigh(centred.T @ centred)
        leading = np.argsort(-values, kind="stable")[:n_kept]
        return cls(
            mean.astype(np.float32), np.ascontiguousarray(axes[:, leading], dtype=np.float32)
        )

    def apply(self, vectors: Vectors) -> Vectors:
        """Project, shape (n, n_kept)."""
        projected = (vectors - self.mean) @ self.axes
        length = np.linalg.norm(projected, axis=1, keepdims=True)
        unit: Vectors = np.divide(projected, length, out=np.zeros_like(projected), where=length > 0)
        return unit


def nearest(logged: Vectors, vectors: Vectors, k: int) -> NDArray[np.int64]:
    """Indices of the `k` logged vectors with the largest dot product, shape (n, k), unordered."""
    k = min(k, len(logged))
    found = np.empty((len(vectors), k), dtype=np.int64)
    for start in range(0, len(vectors), _CHUNK):
        similarity = vectors[start : start + _CHUNK] @ logged.T
        part = np.argpartition(-similarity, k - 1, axis=1)[:, :k]
        found[start : start + _CHUNK] = part
    return found


@dataclass(frozen=True, eq=False)
class NeighbourModel:
    """Logged queries in a small space, and what each arm scored there."""

    projection: Projection
    logged: NDArray[np.float32]
    """Shape (n_logged, n_kept)."""
    scores: NDArray[np.float32]
    """Scores less the arms' means, 0 where not known, shape (n_logged, n_arms)."""
    known: NDArray[np.bool_]
    means: NDArray[np.float64]
    k: int
    prior: float

    def predict(self, batch: Batch) -> Estimate:
        """Average the neighbours that an arm answered, shrunk towards the arm's mean."""
        mean, std = (np.empty((len(batch.queries), len(self.means))) for _ in range(2))
        complete = bool(self.known.all())
        at = nearest(self.logged, self.projection.apply(batch.vectors), self.k)
        for start in range(0, len(at), _CHUNK):
            rows = at[start : start + _CHUNK]
            near = self.scores[rows]
            count = np.float64(rows.shape[1]) if complete else self.known[rows].sum(axis=1)
            total = near.sum(axis=1, dtype=np.float64)
            part = slice(start, start + _CHUNK)
            mean[part] = self.means + total / (count + self.prior)
            square = (near**2).sum(axis=1, dtype=np.float64) / np.maximum(count, 1)
            spread = square - (total / np.maximum(count, 1)) ** 2
            std[part] = np.sqrt(np.maximum(spread, 0.01) / (count + 1))
        return Estimate(mean, std)


@dataclass(frozen=True, kw_only=True)
class NeighbourHead:
    """Uniform weights, exact search in the leading principal components."""

    k: int = 150
    prior: float = 20.0
    n_kept: int = 64

    def fit(self, sample: Sample) -> NeighbourModel:
        """Remember the queries."""
        projection = Projection.fit(sample.vectors, self.n_kept)
        means = arm_means(sample.scores)
        known: NDArray[np.bool_] = ~np.isnan(sample.scores)
        centred: FloatMatrix = np.where(known, sample.scores - means, 0.0)
        logged = projection.apply(sample.vectors)
        return NeighbourModel(
            projection, logged, centred.astype(np.float32), known, means, self.k, self.prior
        )
