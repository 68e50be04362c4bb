"""The baseline that every router must beat: always the same arm."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fusion_agents.routers.base import Router
from fusion_agents.routers.interfaces import Batch, Estimate, Sample
from fusion_agents.routers.shrinkage import ArmPrior


@dataclass(frozen=True, eq=False)
class ConstantModel:
    """Expects the same of every query."""

    mean: NDArray[np.float64]
    """Shape (n_arms,)."""
    std: NDArray[np.float64]

    @classmethod
    def fit(cls, scores: NDArray[np.float64]) -> "ConstantModel":
        """Learn from scores of shape (n_queries, n_arms)."""
        prior = ArmPrior.fit(scores)
        return cls(prior.mean, np.sqrt(prior.error))

    def predict(self, batch: Batch) -> Estimate:
        """Repeat the means for each query."""
        shape = (len(batch.queries), len(self.mean))
        return Estimate(np.broadcast_to(self.mean, shape), np.broadcast_to(self.std, shape))


@dataclass(kw_only=True)
class BestRouter(Router):
    """Always the arm with the highest mean utility in the training log.

    An arm's mean is shrunk towards the average arm by 20 pseudo-answers, so that three lucky
    answers do not make a best arm. It does not look at the query, so it picks one arm for an
    objective; a hard cap on cost is applied to the arms' mean costs. Every gain in a report is a
    gain over this router.
    """

    name = "best"
    needs_vectors = False
    model = ConstantModel

    def learn(self, sample: Sample) -> ConstantModel:
        """Average each arm's scores."""
        return ConstantModel.fit(sample.scores)
