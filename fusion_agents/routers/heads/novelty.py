"""How unlike a query is to everything in the log."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fusion_agents.encoders.base import Vectors
from fusion_agents.outcomes import IntVector
from fusion_agents.routers.heads.neighbours import NeighbourModel

_NEAREST = 10
_CHUNK = 512


@dataclass(frozen=True, eq=False)
class Novelty:
    """A floor under the similarity of a query to its nearest logged queries.

    Similarity is the mean cosine to the ten nearest logged queries in the space of the neighbours
    head. The floor is a quantile of what the logged queries have to those of other folds.
    """

    floor: float

    @classmethod
    def fit(
        cls, model: NeighbourModel, vectors: Vectors, folds: IntVector, share: float
    ) -> "Novelty":
        """Set the floor so that `share` of the logged queries lie below it."""
        if share <= 0:
            return cls(-1.0)
        projected = model.projection.apply(vectors)
        values = np.empty(len(projected))
        for fold in np.unique(folds):
            inside = folds == fold
            others = projected[~inside] if (~inside).any() else projected
            values[inside] = mean_similarity(others, projected[inside])
        return cls(float(np.quantile(values, share)))

    def unlike(self, model: NeighbourModel, vectors: Vectors) -> NDArray[np.bool_]:
        """Which queries lie below the floor, shape (n_queries,)."""
        projected = model.projection.apply(vectors)
        below: NDArray[np.bool_] = mean_similarity(model.logged, projected) < self.floor
        return below


def mean_similarity(logged: Vectors, vectors: Vectors) -> NDArray[np.float64]:
    """Mean dot product with the ten nearest logged vectors, shape (n_queries,)."""
    k = min(_NEAREST, len(logged))
    found = np.empty(len(vectors))
    for start in range(0, len(vectors), _CHUNK):
        similarity = vectors[start : start + _CHUNK] @ logged.T
        top = -np.partition(-similarity, k - 1, axis=1)[:, :k]
        found[start : start + _CHUNK] = top.mean(axis=1, dtype=np.float64)
    return found
