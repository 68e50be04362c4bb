"""Which task a query looks like, and what the arms score on it."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from fusion_agents.outcomes import FloatMatrix
from fusion_agents.routers.heads.linear import fit_softmax, with_constant
from fusion_agents.routers.interfaces import Batch, Estimate, Sample
from fusion_agents.routers.shrinkage import ARM_PRIOR, ArmPrior

_LEAST_QUERIES = 10
_MOST_TASKS = 200


@dataclass(frozen=True, eq=False)
class TaskModel:
    """Task posterior times shrunk task means, plus a linear residual within tasks."""

    weights: NDArray[np.float64]
    """Of the posterior, shape (n_dims + 1, n_tasks)."""
    means: NDArray[np.float64]
    """Shape (n_tasks, n_arms)."""
    residual: NDArray[np.float64]
    """Shape (n_dims + 1, n_arms); zero where there is none."""

    def predict(self, batch: Batch) -> Estimate:
        """Expect each arm's score without being told the task."""
        x = with_constant(batch.vectors)
        mean = softmax(x @ self.weights, axis=1) @ self.means + x @ self.residual
        return Estimate(mean, np.full(mean.shape, np.nan))


@dataclass(frozen=True, kw_only=True)
class TaskHead:
    """The common tasks of the log; other queries are left out of the posterior.

    `residual_penalty` is that of a ridge regression of what the task means leave over; infinite
    for none.
    """

    prior: float = 10.0
    penalty: float = 1 / 30
    n_steps: int = 60
    residual_penalty: float = np.inf

    def fit(self, sample: Sample) -> TaskModel:
        """Learn the posterior and the means; heads that share a posterior learn it once."""
        classes = task_numbers(sample)
        named = classes >= 0
        key = ("task posterior", self.penalty, self.n_steps)
        if key not in sample.learned:
            sample.learned[key] = fit_softmax(
                sample.vectors[named], classes[named], self.penalty, self.n_steps
            )
        weights = sample.learned[key]
        one_hot = np.eye(weights.shape[1])[classes[named]]
        means = group_means(
            one_hot, sample.scores[named], ArmPrior.fit(sample.scores).filled, self.prior
        )
        residual = np.zeros((weights.shape[0], sample.scores.shape[1]))
        if np.isfinite(self.residual_penalty):
            x = with_constant(sample.vectors)
            left = sample.scores - softmax(x @ weights, axis=1) @ means
            residual = fit_ridge(x, left, self.residual_penalty)
        return TaskModel(weights, means, residual)


def task_numbers(sample: Sample) -> NDArray[np.int64]:
    """Number the common tasks in alphabetical order, -1 for other queries, shape (n_queries,).

    Common are the 200 most frequent tasks with at least ten queries each.
    """
    counts = Counter(task for task in sample.tasks if task is not None)
    common = sorted((-count, task) for task, count in counts.items() if count >= _LEAST_QUERIES)
    names = sorted(task for _, task in common[:_MOST_TASKS])
    numbers = {name: i for i, name in enumerate(names)}
    return np.array([numbers.get(task or "", -1) for task in sample.tasks], dtype=np.int64)


def names_tasks(sample: Sample) -> bool:
    """Whether at least half of the queries belong to one of two or more common tasks."""
    classes = task_numbers(sample)
    return bool(classes.max(initial=-1) >= 1 and (classes >= 0).mean() >= 0.5)


def group_means(
    membership: FloatMatrix, scores: FloatMatrix, means: NDArray[np.float64], prior: float
) -> FloatMatrix:
    """Mean score of each arm in each group, shrunk, shape (n_groups, n_arms).

    It is shrunk towards the arm's mean plus how much easier or harder the group is for whoever
    answered it. Without that, an arm that was never asked hard questions would look as good at
    them as at easy ones, and logs whose arms were chosen by the query are full of such arms.

    Args:
        membership: Weight of each query in each group, shape (n_queries, n_groups).
        scores: Shape (n_queries, n_arms), NaN where not known.
        means: What a group without answers gets, shape (n_arms,).
        prior: Strength of the shrinkage, in queries.
    """
    known = ~np.isnan(scores)
    count = membership.T @ known
    total = membership.T @ np.where(known, scores - means, 0.0)
    answers = np.maximum(count.sum(axis=1, keepdims=True) + prior, 1e-12)
    level = total.sum(axis=1, keepdims=True) / answers
    own = (total - count * level) / np.maximum(count + prior, 1e-12)
    shrunk: FloatMatrix = means + level + own
    return shrunk


def fit_ridge(x: NDArray[np.float64], targets: FloatMatrix, penalty: float) -> NDArray[np.float64]:
    """Ridge regression for each column over its known rows; the constant, last, is held near 0."""
    known = ~np.isnan(targets)
    ridge = np.eye(x.shape[1]) * penalty
    ridge[-1, -1] = ARM_PRIOR
    if known.all():
        return np.asarray(np.linalg.solve(x.T @ x + ridge, x.T @ targets), dtype=np.float64)
    weights = np.zeros((x.shape[1], targets.shape[1]))
    for arm, rows in enumerate(known.T):
        seen = x[rows]
        weights[:, arm] = np.linalg.solve(seen.T @ seen + ridge, seen.T @ targets[rows, arm])
    return weights
