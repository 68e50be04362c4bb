"""Ratings from pairwise comparisons."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fusion_agents.outcomes import FloatMatrix
from fusion_agents.routers.base import Router
from fusion_agents.routers.interfaces import Batch, Estimate, Sample
from fusion_agents.routers.options import check_least
from fusion_agents.routers.shrinkage import ARM_PRIOR, ArmPrior

FloatVector = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class EloModel:
    """Ratings and the scores that they stand for, arrays of shape (n_arms,)."""

    ratings: FloatVector
    """Logarithm of the odds to win against an average arm."""
    mean: FloatVector
    std: FloatVector

    def predict(self, batch: Batch) -> Estimate:
        """Repeat the expected scores for each query."""
        shape = (len(batch.queries), len(self.mean))
        return Estimate(np.broadcast_to(self.mean, shape), np.broadcast_to(self.std, shape))


@dataclass(kw_only=True)
class EloRouter(Router):
    """Rate arms by whom they beat at the same query.

    A Bradley-Terry model of all pairs of arms that answered a query, where the higher score wins
    and equal scores are half a win for both; an arm's comparisons at a query count as one. Only
    answers to the same query are compared, so an arm that was given the hard queries is not held
    back. It does not look at the query: always the same arm for an objective. Ratings become
    expected scores through a line that is fitted to the arms' means; the standard error is that of
    an arm's mean. In a log with one answer a query, nothing can be compared and all arms are equal.

    Source: Bradley-Terry ratings as in Chatbot Arena (arXiv 2403.04132).

    Args:
        prior: Queries drawn against an average arm that are added to each arm's own.
    """

    name = "elo"
    needs_vectors = False
    model = EloModel

    prior: float = ARM_PRIOR

    def learn(self, sample: Sample) -> EloModel:
        """Fit the ratings, then their line to the means."""
        check_least(self, prior=0)
        ratings = bradley_terry(pairwise_wins(sample.scores), self.prior)
        arms = ArmPrior.fit(sample.scores)
        count = (~np.isnan(sample.scores)).sum(axis=0)
        chance = 1.0 / (1.0 + np.exp(-ratings))
        weight = count / count.sum()
        mean = np.nan_to_num(arms.mean)
        centered = chance - weight @ chance
        spread = weight @ centered**2
        slope = max(weight @ (centered * mean) / spread, 0.0) if spread > 0 else 0.0
        expected = np.where(count > 0, weight @ mean + slope * centered, np.nan)
        return EloModel(ratings, expected, np.sqrt(arms.error))


def pairwise_wins(scores: FloatMatrix) -> FloatMatrix:
    """Count how often each arm beat each other one, ties as half, shape (n_arms, n_arms).

    A query counts once for each arm, shared among those that it is compared with.
    """
    wins = np.zeros((scores.shape[1], scores.shape[1]))
    share = 1.0 / np.maximum((~np.isnan(scores)).sum(axis=1) - 1, 1)
    for arm, own in enumerate(scores.T):
        difference = own[:, None] - scores
        wins[arm] = share @ ((difference > 0) + 0.5 * (difference == 0))
    np.fill_diagonal(wins, 0.0)
    return wins


def bradley_terry(wins: FloatMatrix, prior: float) -> FloatVector:
    """Most likely ratings, shape (n_arms,); 0 is an average arm, the prior's opponent."""
    from scipy.optimize import minimize  # noqa: PLC0415

    total = wins + wins.T

    def loss(ratings: FloatVector) -> tuple[float, FloatVector]:
        gap = ratings[:, None] - ratings
        chance = 1.0 / (1.0 + np.exp(-gap))
        against_average = np.tanh(ratings / 2.0) / 2.0
        value = (wins * np.logaddexp(0.0, -gap)).sum()
        value += prior * np.logaddexp(0.0, -ratings).sum() + prior * ratings.sum() / 2.0
        return value, (total * chance - wins).sum(axis=1) + prior * against_average

    ratings: FloatVector = minimize(loss, np.zeros(len(wins)), jac=True, method="L-BFGS-B").x
    return ratings
