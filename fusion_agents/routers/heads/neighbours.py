"""Means over the most similar logged queries."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from fusion_agents.encoders.base import Vectors
from fusion_agents.routers.interfaces import Batch, Estimate, Sample
from fusion_agents.routers.shrinkage import ArmPrior

MOST_LOGGED = 16_000
"""Queries that are searched; more make no forecast better and each one slower."""

_CHUNK = 512
_LEAST_VARIANCE = 0.01
_FEW = 32
"""Fewer queries than this are summed row by row; preparing a sparse product takes longer."""


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

    def __post_init__(self) -> None:
        """Refuse arrays that do not belong together, as a damaged file may hold."""
        if self.scores.shape != self.known.shape or len(self.logged) != len(self.scores):
            raise ValueError("logged queries and their scores differ in number")

    def predict(self, batch: Batch) -> Estimate:
        """Average the neighbours that an arm answered, shrunk towards the arm's mean."""
        at = nearest(self.logged, self.projection.apply(batch.vectors), self.k)
        total, squares = _sums(at, self.scores), _sums(at, self.scores, power=2)
        count = np.full((len(at), 1), float(at.shape[1]))
        if not self.known.all():
            count = _sums(at, self.known)
        mean = self.means + total / (count + self.prior)
        average = total / np.maximum(count, 1)
        spread = np.maximum(squares / np.maximum(count, 1) - average**2, _LEAST_VARIANCE)
        return Estimate(mean, np.sqrt(spread / (count + 1)))


def _sums(
    at: NDArray[np.int64], values: NDArray[np.float32] | NDArray[np.bool_], power: int = 1
) -> NDArray[np.float64]:
    """Sum the rows of `values` that each row of `at` names, shape (n, n_arms)."""
    if len(at) < _FEW:
        return np.asarray((values[at].astype(np.float64) ** power).sum(axis=1))
    ends = np.arange(len(at) + 1) * at.shape[1]
    ones = np.ones(at.size, dtype=np.float32)
    named = csr_array((ones, at.ravel(), ends), shape=(len(at), len(values)))
    return np.asarray(named @ (values.astype(np.float32) ** power), dtype=np.float64)


@dataclass(frozen=True, kw_only=True)
class NeighbourHead:
    """Uniform weights, exact search in the leading principal components."""

    k: int = 150
    prior: float = 20.0
    n_kept: int = 64

    def fit(self, sample: Sample) -> NeighbourModel:
        """Remember the queries, or of many an evenly spaced part."""
        projection = Projection.fit(sample.vectors, self.n_kept)
        means = ArmPrior.fit(sample.scores).filled
        kept = slice(None, None, 1 + (len(sample.queries) - 1) // MOST_LOGGED)
        scores = sample.scores[kept]
        known: NDArray[np.bool_] = ~np.isnan(scores)
        centred = np.where(known, scores - means, 0.0).astype(np.float32)
        logged = projection.apply(sample.vectors[kept])
        return NeighbourModel(projection, logged, centred, known, means, self.k, self.prior)
