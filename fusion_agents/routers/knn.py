"""The most similar logged queries decide."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from fusion_agents.encoders.base import Vectors
from fusion_agents.errors import ConfigError
from fusion_agents.outcomes import FloatMatrix, IntVector
from fusion_agents.routers.base import Router
from fusion_agents.routers.interfaces import Batch, Estimate, Sample
from fusion_agents.routers.options import check_least
from fusion_agents.routers.shrinkage import ArmPrior

FloatVector = NDArray[np.float64]
Weights = Literal["similarity", "uniform"]

_ROUNDING = 1e-6
"""Cosines in float32 that differ by less are equal."""
_CHUNK = 512
"""Queries that are compared with the log at once; bounds memory."""


@dataclass(frozen=True, eq=False)
class KNNModel:
    """Logged queries and their scores."""

    vectors: Vectors
    """Unit vectors, shape (n_logged, n_dims)."""
    scores: FloatMatrix
    """Shape (n_logged, n_arms), NaN where not known."""
    arms: ArmPrior
    k: int
    prior: float
    weights: str

    def predict(self, batch: Batch) -> Estimate:
        """Average the neighbours' scores."""
        sums = np.zeros((len(batch.vectors), 3 * self.scores.shape[1]))
        for start in range(0, len(sums), _CHUNK):
            chunk = slice(start, start + _CHUNK)
            sums[chunk] = self._sums(batch.vectors[chunk])
        count, total, squares = np.split(sums, 3, axis=1)
        return self.arms.local(count, total, squares, self.prior)

    def _sums(self, vectors: Vectors) -> FloatMatrix:
        """Weighted numbers, sums and sums of squares of the neighbours' scores, side by side."""
        weights, columns, ends = self._neighbours(vectors)
        near = np.bincount(columns, minlength=len(self.scores)) > 0
        place = (np.cumsum(near) - 1)[columns]
        scores = self.scores[near]
        known = ~np.isnan(scores)
        filled = np.where(known, scores, 0.0)
        matrix = csr_array((weights, place, ends), shape=(len(vectors), len(scores)))
        sums: FloatMatrix = matrix @ np.hstack([known, filled, filled**2])
        return sums

    def _neighbours(self, vectors: Vectors) -> tuple[FloatVector, IntVector, IntVector]:
        """Weights and rows of the k nearest logged queries and of those as near as the last.

        The third array tells where each query's neighbours begin, and ends with their number.
        """
        similarity = unit(vectors) @ self.vectors.T
        rank = max(similarity.shape[1] - self.k, 0)
        last = np.partition(similarity, rank, axis=1)[:, rank, None]
        rows, columns = np.nonzero(similarity >= last - _ROUNDING)
        ends = np.searchsorted(rows, np.arange(len(vectors) + 1))
        weights = np.ones(len(rows))
        if self.weights == "similarity":
            weights = np.maximum(similarity[rows, columns].astype(np.float64), _ROUNDING)
            effective = np.add.reduceat(weights, ends[:-1]) / np.add.reduceat(weights**2, ends[:-1])
            weights *= np.repeat(effective, np.diff(ends))
        return weights, columns, ends


@dataclass(kw_only=True)
class KNNRouter(Router):
    """Forecast an arm's score from the most similar logged queries.

    The forecast is the mean over the nearest queries by cosine (and those exactly as near as the
    last of them) that the arm answered, shrunk by `prior` pseudo-queries towards the arm's overall
    mean plus the neighbourhood's level; see `ArmPrior.local`. In a log with missing cells, so many
    more queries count as neighbours that an arm has `k` answers there on average. The search is
    exact. The standard error is that of the neighbours' mean, from their spread and their number;
    it leaves out how the query differs from its neighbours.

    Source: FusionFactory (arXiv 2507.10540), RouterKNN, which lets the 50 nearest queries vote for
    their single best arm and so throws the other arms' scores away; this one averages the graded
    scores of all arms.

    Args:
        encoder: Turns query text into vectors; called once per `fit` and once per batch.
        k: Number of neighbours, at least 1; divided by the share of cells that are known.
        weights: `similarity` to weigh neighbours by their cosine, or `uniform`.
        prior: Strength of the shrinkage, in queries; 0 for none.
    """

    name = "knn"
    model = KNNModel

    k: int = 100
    weights: Weights = "similarity"
    prior: float = 10.0

    def learn(self, sample: Sample) -> KNNModel:
        """Keep the vectors and scores."""
        check_least(self, k=1, prior=0)
        if self.weights not in get_args(Weights):
            raise ConfigError(
                f"option weights of router 'knn' must be one of {', '.join(get_args(Weights))}, "
                f"not {self.weights!r}"
            )
        density = 1.0 - float(np.isnan(sample.scores).mean())
        return KNNModel(
            vectors=unit(sample.vectors),
            scores=sample.scores,
            arms=ArmPrior.fit(sample.scores),
            k=min(round(self.k / density), len(sample.queries)),
            prior=self.prior,
            weights=self.weights,
        )


def unit(vectors: Vectors) -> Vectors:
    """Scale each vector to length 1; a vector of zeros stays as it is."""
    length: NDArray[np.float32] = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)
