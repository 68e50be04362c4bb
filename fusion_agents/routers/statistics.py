"""Means that stay fair when not every arm answered every query."""

import numpy as np
from numpy.typing import NDArray

from fusion_agents.outcomes import FloatMatrix


def arm_means(scores: FloatMatrix, prior: float = 1.0, n_sweeps: int = 50) -> NDArray[np.float64]:
    """Mean score of each arm over all queries, also those that it did not answer.

    On complete data this is the plain mean. With missing cells, an arm that mostly answered hard
    queries would look weak; so an additive model (arm effect + query effect, the query effects
    shrunk by `prior` pseudo-answers) is fitted by alternating least squares, and the mean is what
    it expects over all queries.

    Args:
        scores: Shape (n_queries, n_arms), NaN where not known.
        prior: Strength of the shrinkage of query effects, in answers.
        n_sweeps: Number of alternations.

    Returns:
        Shape (n_arms,); NaN for an arm without any score.
    """
    known = ~np.isnan(scores)
    count = known.sum(axis=0)
    filled = np.where(known, scores, 0.0)
    if known.all() or not known.any():
        return np.asarray(
            np.divide(filled.sum(axis=0), count, out=np.full(len(count), np.nan), where=count > 0)
        )
    cells, total, per_arm = known.astype(np.float64), filled.sum(axis=1), np.maximum(count, 1)
    share = 1 / (known.sum(axis=1) + prior)
    plain = filled.sum(axis=0) / per_arm
    level = plain - cells.T @ (total * share) / per_arm
    coupling = (cells.T * share) @ cells / per_arm[:, None]
    before = arm = plain
    for _ in range(n_sweeps):  # both alternations in one step, on (n_arms,) alone
        before, arm = arm, level + coupling @ arm
    query = (total - cells @ before) * share
    means: NDArray[np.float64] = np.where(count > 0, arm + query.mean(), np.nan)
    return means
