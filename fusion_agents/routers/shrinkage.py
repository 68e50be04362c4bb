"""Means of few answers, pulled towards what is known of the arm elsewhere."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from fusion_agents.outcomes import FloatMatrix
from fusion_agents.routers.interfaces import Estimate
from fusion_agents.routers.statistics import arm_means

ARM_PRIOR = 20.0
"""Answers by an average arm that are added to each arm's own, against luck with few answers."""
_VARIANCE_PRIOR = 2.0


@dataclass(frozen=True, eq=False)
class ArmPrior:
    """What is expected of each arm before looking at the query, arrays of shape (n_arms,).

    All but `filled` are NaN for an arm without any score.
    """

    mean: NDArray[np.float64]
    """Mean score over all queries, shrunk towards the average arm by 20 pseudo-answers."""
    filled: NDArray[np.float64]
    """The same, with the average arm's mean for an arm without any score."""
    variance: NDArray[np.float64]
    """Variance of single scores, shrunk towards the pooled one by two pseudo-answers."""
    error: NDArray[np.float64]
    """Variance of `mean` as an estimate."""

    @classmethod
    def fit(cls, scores: FloatMatrix) -> Self:
        """Learn from scores of shape (n_queries, n_arms), NaN where not known."""
        count = (~np.isnan(scores)).sum(axis=0)
        raw = arm_means(scores)
        if not count.any():
            return cls(raw, raw, raw, raw)
        average = np.nansum(raw * count) / count.sum()
        mean = (np.nan_to_num(raw) * count + average * ARM_PRIOR) / (count + ARM_PRIOR)
        squares = np.nansum((scores - raw) ** 2, axis=0)
        pooled = squares.sum() / count.sum()
        variance = (squares + _VARIANCE_PRIOR * pooled) / (count + _VARIANCE_PRIOR)
        unknown = np.where(count > 0, 0.0, np.nan)
        error = variance / (count + 1.0)
        return cls(mean + unknown, mean, variance + unknown, error + unknown)

    def local(
        self, count: FloatMatrix, total: FloatMatrix, squares: FloatMatrix, prior: float
    ) -> Estimate:
        """Expect scores from neighbourhoods: tasks, clusters or the queries that are most similar.

        The mean of an arm's scores in a neighbourhood is shrunk by `prior` pseudo-queries towards
        its overall mean plus how much easier or harder the neighbourhood is for all arms. The
        standard error is that of the shrunk mean, with the scores' spread in the neighbourhood.

        Args:
            count: Number of an arm's answers in each neighbourhood, fractions if they are
                weighted, shape (n_neighbourhoods, n_arms).
            total: Sum of their scores, same shape.
            squares: Sum of their squared scores, same shape.
            prior: Strength of the shrinkage; 0 for none, but an arm without answers in a
                neighbourhood always gets what it would be shrunk to.
        """
        arm_mean = np.nan_to_num(self.mean)
        excess = (total - count * arm_mean).sum(axis=1, keepdims=True)
        level = excess / np.maximum(count.sum(axis=1, keepdims=True) + prior, 1e-9)
        elsewhere = np.where(np.isnan(self.mean), np.nan, arm_mean + level)
        weight = count + prior
        mean = np.divide(total + prior * elsewhere, weight, out=elsewhere.copy(), where=weight > 0)
        spread = squares - 2 * mean * total + count * mean**2
        pseudo = max(prior, 1.0)
        variance = (np.maximum(spread, 0.0) + pseudo * self.variance) / (count + pseudo)
        share = pseudo / (count + pseudo)
        return Estimate(mean, np.sqrt(variance / (count + pseudo) + share**2 * self.error))
