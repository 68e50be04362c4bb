"""Clusters of similar queries, each with its arm means."""

from dataclasses import dataclass

import numpy as np

from fusion_agents.encoders.base import Vectors
from fusion_agents.outcomes import FloatMatrix
from fusion_agents.routers.base import Router
from fusion_agents.routers.interfaces import Batch, Estimate, Sample
from fusion_agents.routers.knn import unit
from fusion_agents.routers.options import check_least
from fusion_agents.routers.shrinkage import ArmPrior


@dataclass(frozen=True, eq=False)
class ClusterModel:
    """Cluster centres and what each arm achieves there."""

    centers: Vectors
    """Unit vectors, shape (n_clusters, n_dims)."""
    means: FloatMatrix
    """Shape (n_clusters, n_arms)."""
    variances: FloatMatrix
    """Squared standard errors of the means."""
    nearest: int
    sharpness: float

    def predict(self, batch: Batch) -> Estimate:
        """Average the means of the nearest clusters."""
        weights = soft_clusters(batch.vectors, self.centers, self.nearest, self.sharpness)
        return Estimate(weights @ self.means, np.sqrt(weights @ self.variances))


@dataclass(kw_only=True)
class ClusterRouter(Router):
    """Forecast an arm's score from clusters of similar queries.

    Queries are clustered by k-means; a query belongs to its `nearest` clusters with weights
    `exp(sharpness * cosine)`, both when learning and when routing. A cluster's mean of an arm is
    shrunk like a neighbourhood of kNN; see `ArmPrior.local`. Nothing but centres and means is
    kept, so a large log costs nothing when routing. The standard error is the root of the
    weighted squared standard errors of the clusters' means.

    Source: Avengers-Pro (arXiv 2508.12631), which ranks arms by normalised accuracy and cost in
    the clusters; here the objective weighs them when routing, and means of few answers are shrunk.

    Args:
        encoder: Turns query text into vectors; called once per `fit` and once per batch.
        n_clusters: Number of clusters; fewer where the log has fewer different queries.
        nearest: Number of clusters that a query belongs to.
        sharpness: How much more the nearest cluster counts.
        prior: Strength of the shrinkage, in queries; 0 for none.
    """

    name = "cluster"
    model = ClusterModel

    n_clusters: int = 24
    nearest: int = 4
    sharpness: float = 9.0
    prior: float = 20.0

    def learn(self, sample: Sample) -> ClusterModel:
        """Find the clusters, then average each arm's scores there."""
        check_least(self, n_clusters=1, nearest=1, prior=0)
        centers = cluster_centers(unit(sample.vectors), self.n_clusters, sample.seed)
        weights = soft_clusters(sample.vectors, centers, self.nearest, self.sharpness)
        known = ~np.isnan(sample.scores)
        filled = np.where(known, sample.scores, 0.0)
        estimate = ArmPrior.fit(sample.scores).local(
            weights.T @ known, weights.T @ filled, weights.T @ filled**2, self.prior
        )
        return ClusterModel(centers, estimate.mean, estimate.std**2, self.nearest, self.sharpness)


def cluster_centers(vectors: Vectors, n_clusters: int, seed: int) -> Vectors:
    """Centres of k-means clusters as unit vectors, shape (n_clusters or fewer, n_dims)."""
    from sklearn.cluster import KMeans  # noqa: PLC0415

    different = np.unique(vectors, axis=0)
    if len(different) <= n_clusters:
        return different
    return unit(KMeans(n_clusters, n_init=3, random_state=seed).fit(vectors).cluster_centers_)


def soft_clusters(
    vectors: Vectors, centers: Vectors, nearest: int, sharpness: float
) -> FloatMatrix:
    """Weights of the nearest clusters, shape (n_queries, n_clusters), each row summing to 1."""
    similarity = (unit(vectors) @ centers.T).astype(np.float64)
    rank = max(len(centers) - nearest, 0)
    last = np.partition(similarity, rank, axis=1)[:, rank, None] if len(similarity) else similarity
    weights = np.where(similarity >= last, np.exp(sharpness * (similarity - 1.0)), 0.0)
    shares: FloatMatrix = weights / weights.sum(axis=1, keepdims=True)
    return shares
