"""Tasks that nobody named: clusters of queries, and what the arms score in each."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fusion_agents.encoders.base import Vectors
from fusion_agents.outcomes import FloatMatrix
from fusion_agents.routers.heads.tasks import group_means
from fusion_agents.routers.interfaces import Batch, Estimate, Sample
from fusion_agents.routers.shrinkage import ArmPrior


@dataclass(frozen=True, eq=False)
class LatentTaskModel:
    """Unit centres, shape (n_clusters, n_dims), and shrunk means, shape (n_clusters, n_arms)."""

    centres: NDArray[np.float32]
    means: NDArray[np.float64]
    n_nearest: int
    sharpness: float

    def predict(self, batch: Batch) -> Estimate:
        """Average the nearest clusters' means, the nearer the more."""
        member = membership(batch.vectors, self.centres, self.n_nearest, self.sharpness)
        mean = member @ self.means
        return Estimate(mean, np.full(mean.shape, np.nan))


@dataclass(frozen=True, kw_only=True)
class LatentTaskHead:
    """Spherical k-means, soft membership in the nearest clusters, shrunk graded means.

    Source: Avengers-Pro (arXiv 2508.12631), with graded means shrunk towards the arm's mean.
    """

    n_clusters: int = 48
    n_nearest: int = 4
    sharpness: float = 9.0
    prior: float = 20.0

    def fit(self, sample: Sample) -> LatentTaskModel:
        """Cluster the queries and average the scores."""
        centres = spherical_k_means(sample.vectors, self.n_clusters, sample.seed)
        member = membership(sample.vectors, centres, self.n_nearest, self.sharpness)
        means = group_means(member, sample.scores, ArmPrior.fit(sample.scores).filled, self.prior)
        return LatentTaskModel(centres, means, self.n_nearest, self.sharpness)


def membership(vectors: Vectors, centres: Vectors, n_nearest: int, sharpness: float) -> FloatMatrix:
    """Weight of each cluster for each query, shape (n_queries, n_clusters), rows sum to 1."""
    similarity = (vectors @ centres.T).astype(np.float64)
    n_nearest = min(n_nearest, similarity.shape[1])
    floor = -np.partition(-similarity, n_nearest - 1, axis=1)[:, n_nearest - 1 : n_nearest]
    top = similarity.max(axis=1, keepdims=True, initial=0.0)
    weight = np.where(similarity >= floor, np.exp(sharpness * (similarity - top)), 0.0)
    member: FloatMatrix = weight / weight.sum(axis=1, keepdims=True)
    return member


def spherical_k_means(
    vectors: Vectors, n_clusters: int, seed: int, n_rounds: int = 25
) -> NDArray[np.float32]:
    """Cluster unit vectors by cosine, from a k-means++ start; empty clusters are dropped."""
    rng = np.random.default_rng(seed)
    n_clusters = min(n_clusters, len(vectors))
    centres = vectors[rng.integers(len(vectors), size=1)]
    distance = 1 - vectors @ centres[0]
    for _ in range(n_clusters - 1):
        chance = np.maximum(distance, 0).astype(np.float64)
        if not chance.sum() > 0:
            break
        pick = rng.choice(len(vectors), p=chance / chance.sum())
        centres = np.vstack([centres, vectors[pick]])
        distance = np.minimum(distance, 1 - vectors @ vectors[pick])
    assigned = np.full(len(vectors), -1)
    for _ in range(n_rounds):
        nearest = (vectors @ centres.T).argmax(axis=1)
        if (nearest == assigned).all():
            break
        assigned = nearest
        total = np.eye(len(centres), dtype=vectors.dtype)[assigned].T @ vectors
        length = np.linalg.norm(total, axis=1, keepdims=True)
        if (length > 0).any():
            centres = (total / np.where(length > 0, length, 1))[length[:, 0] > 0]
    return np.ascontiguousarray(centres, dtype=np.float32)
