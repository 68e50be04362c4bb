"""How unlike a query is to everything in the log, and what that asks of a forecast."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fusion_agents.encoders.base import Vectors
from fusion_agents.outcomes import IntVector
from fusion_agents.routers.heads.neighbours import NeighbourModel

_NEAREST = 10
_CHUNK = 512
_STEPS = 64
_HOPELESS = 0.005
"""Share of the logged queries below which no forecast is believed."""


@dataclass(frozen=True, eq=False)
class Novelty:
    """Demands a larger advantage over the best single arm, the less a query is like the log.

    Similarity is the mean cosine to the ten nearest logged queries in the space of the neighbours
    head. Its rank among the similarities that the logged queries have to those of other folds
    says how unusual it is: from rank `share` down to 0 the demand rises from 0 to `caution`, with
    the square of the distance, and below rank 0.005 nothing is believed.

    Leaving out whole tasks of real logs in turn, this loses less on the worst of them than
    sending the least similar queries to the best single arm outright, and costs less on ordinary
    queries.
    """

    levels: NDArray[np.float64]
    """Similarities at evenly spaced ranks from 0 to `share`, ascending."""
    share: float
    caution: float

    @classmethod
    def fit(
        cls,
        model: NeighbourModel,
        vectors: Vectors,
        folds: IntVector,
        share: float,
        caution: float,
    ) -> "Novelty":
        """Learn the usual similarities from the logged queries' vectors."""
        projected = model.projection.apply(vectors)
        values = np.empty(len(projected))
        for fold in np.unique(folds):
            inside = folds == fold
            others = projected if inside.all() else projected[~inside]
            values[inside] = mean_similarity(others, projected[inside])
        ranks = np.linspace(0, share, _STEPS)
        return cls(np.quantile(values, ranks), share, caution)

    def demand(self, model: NeighbourModel, vectors: Vectors) -> NDArray[np.float64]:
        """Advantage in expected score that a forecast must show, shape (n_queries,)."""
        if not self.share > 0:
            return np.zeros(len(vectors))
        similarity = mean_similarity(model.logged, model.projection.apply(vectors))
        rank = np.interp(similarity, self.levels, np.linspace(0, self.share, _STEPS))
        demand: NDArray[np.float64] = self.caution * (1 - rank / self.share) ** 2
        return np.where(rank < _HOPELESS, np.inf, demand)


def mean_similarity(logged: Vectors, vectors: Vectors) -> NDArray[np.float64]:
    """Mean dot product with the ten nearest logged vectors, shape (n_queries,)."""
    k = min(_NEAREST, len(logged))
    found = np.empty(len(vectors))
    for start in range(0, len(vectors), _CHUNK):
        similarity = vectors[start : start + _CHUNK] @ logged.T
        top = -np.partition(-similarity, k - 1, axis=1)[:, :k]
        found[start : start + _CHUNK] = top.mean(axis=1, dtype=np.float64)
    return found
