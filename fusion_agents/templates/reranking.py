"""Which candidates are of the task that a query belongs to, as far as its neighbours tell."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fusion_agents.threads import one_thread

Scores = NDArray[np.float64]

_RIDGE = 0.3
"""Penalty on the weights; vectors have length 1, or a little more."""


def task_agreement(
    query: Sequence[float] | NDArray[np.float32],
    vectors: NDArray[np.float32],
    tasks: Sequence[str | None],
) -> Scores:
    """Forecast how likely each candidate's task is the query's, about 0 to 1.

    A ridge regression of the tasks on the candidates' vectors is asked about the query: a vote of
    the neighbours in which those that say the same do not count twice. The query's own task is not
    needed, and tasks need not be known: a candidate without one gets the others' mean, and where
    all are of one task, or of none, all get the same.

    Args:
        query: Products of the candidates' vectors with the query's, shape (n_candidates,).
        vectors: Of the candidates, of length about 1, shape (n_candidates, n_dims).
        tasks: Of the candidates.

    Returns:
        Shape (n_candidates,).

    >>> near = np.array([[1.0, 0.0], [0.9, 0.44], [0.0, 1.0]], dtype=np.float32)
    >>> task_agreement([0.9, 0.9, 0.1], near, ["sums", "sums", "law"]).round(1).tolist()
    [1.0, 1.0, 0.0]
    """
    known = np.array([task is not None for task in tasks], dtype=bool)
    names, labels = np.unique([task for task in tasks if task is not None], return_inverse=True)
    agreement = np.zeros(len(tasks))
    if len(names) < 2:
        return agreement
    cosines = np.asarray(query, dtype=np.float64)[known]
    with one_thread():
        forecast = _forecast(cosines, vectors[known].astype(np.float64), np.eye(len(names))[labels])
    agreement[known] = forecast[labels]
    agreement[~known] = agreement[known].mean()
    return agreement


def _forecast(cosines: Scores, near: Scores, votes: Scores) -> Scores:
    """Ridge regression with an intercept, in terms of cosines, shape (n_tasks,)."""
    share, centre = votes.mean(axis=0), near.mean(axis=0)
    centred = near - centre
    asked = cosines - cosines.mean() - centred @ centre
    weights = np.linalg.solve(centred @ centred.T + _RIDGE * np.eye(len(near)), votes - share)
    return np.asarray(share + asked @ weights)
