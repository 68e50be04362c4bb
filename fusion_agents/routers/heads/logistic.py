"""A logistic regression on graded scores for each arm."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from fusion_agents.routers.heads.linear import fit_logistic, with_constant
from fusion_agents.routers.interfaces import Batch, Estimate, Sample


@dataclass(frozen=True, eq=False)
class LogisticModel:
    """Fitted weights, shape (n_dims + 1, n_arms)."""

    weights: NDArray[np.float64]

    def predict(self, batch: Batch) -> Estimate:
        """Expect each arm's score; the standard error is not known."""
        mean = expit(with_constant(batch.vectors) @ self.weights)
        return Estimate(mean, np.full(mean.shape, np.nan))


@dataclass(frozen=True, kw_only=True)
class LogisticHead:
    """Cross-entropy on graded scores, missing cells left out."""

    penalty: float = 3.0
    n_steps: int = 30

    def fit(self, sample: Sample) -> LogisticModel:
        """Learn all arms at once."""
        return LogisticModel(
            fit_logistic(sample.vectors, sample.scores, self.penalty, self.n_steps)
        )
