"""The best arm of the query's task, for those who know the task."""

from dataclasses import dataclass

import numpy as np

from fusion_agents.outcomes import FloatMatrix
from fusion_agents.routers.base import Router
from fusion_agents.routers.interfaces import Batch, Estimate, Sample
from fusion_agents.routers.options import check_least
from fusion_agents.routers.shrinkage import ArmPrior


@dataclass(frozen=True, eq=False)
class TaskModel:
    """Means by task."""

    tasks: tuple[str, ...]
    means: FloatMatrix
    """Shape (n_tasks + 1, n_arms); the last row is for queries of another task or of none."""
    stds: FloatMatrix

    def predict(self, batch: Batch) -> Estimate:
        """Look up the means of each query's task."""
        rows = {task: row for row, task in enumerate(self.tasks)}
        index = [rows.get(query.task or "", len(self.tasks)) for query in batch.queries]
        return Estimate(self.means[index], self.stds[index])


@dataclass(kw_only=True)
class TaskBestRouter(Router):
    """The best arm of the query's own task, which it is told.

    It reads `Query.task` when routing and never the text: the bar for routers that see only the
    text, and a good router for an app that knows the kind of each query. A query without a task,
    or of one that the log does not have, gets the arms' overall means. Means of a task are shrunk
    by `prior` pseudo-queries; see `ArmPrior.local`. Standard errors are those of the means.

    Args:
        prior: Strength of the shrinkage, in queries; 0 for none.
    """

    name = "task-best"
    needs_vectors = False
    model = TaskModel

    prior: float = 5.0

    def learn(self, sample: Sample) -> TaskModel:
        """Average each arm's scores by task."""
        check_least(self, prior=0)
        tasks = tuple(sorted({task for task in sample.tasks if task}))
        members = np.array([[task == known for task in sample.tasks] for known in tasks])
        members = members.reshape(len(tasks), len(sample.tasks)).astype(np.float64)
        known = ~np.isnan(sample.scores)
        filled = np.where(known, sample.scores, 0.0)
        arms = ArmPrior.fit(sample.scores)
        estimate = arms.local(members @ known, members @ filled, members @ filled**2, self.prior)
        return TaskModel(
            tasks,
            np.vstack([estimate.mean, arms.mean]),
            np.vstack([estimate.std, np.sqrt(arms.error)]),
        )
