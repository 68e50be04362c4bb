"""Means and paired differences of conditions, by task and over all, with intervals."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, stdtrit

from fusion_agents.evaluation.bootstrap import interval, n_groups, resampled_sums
from fusion_agents.outcomes import FloatMatrix, IntVector

_FEWEST = 10
"""Independent questions from which on an interval is given."""

_LEVEL = 0.95
_NOTHING = 1e-12

Bools = NDArray[np.bool_]


class Mean(NamedTuple):
    """A mean with its interval."""

    n: int
    n_groups: int
    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, eq=False)
class Means:
    """Means of columns that all see the same draws, so that their differences are paired.

    Where every draw is the same, as no question differs from another, the interval is that of
    the rule of three: of `n` questions none was unlike the others, so at most `3 / n` of all are
    (Hanley and Lippman-Hand, "If nothing goes wrong, is everything all right?", 1983).
    """

    columns: FloatMatrix
    """Shape (n_queries, n_columns), in [-1, 1], NaN where not known."""
    parts: Bools
    """Which queries belong to which task, shape (n_queries, n_tasks)."""
    groups: IntVector
    """Of near-duplicates, shape (n_queries,)."""
    sums: FloatMatrix
    """Resampled, shape (n_bootstrap, n_tasks, n_columns)."""
    counts: FloatMatrix
    """Likewise."""

    def of_task(self, task: int, column: int) -> Mean:
        """Over the queries of a task."""
        draws = _ratio(self.sums[:, task, column], self.counts[:, task, column])
        found = self._mean(self.parts[:, task], column)
        return _with_interval(found, draws, _unseen(found.n_groups))

    def of_queries(self, column: int) -> Mean:
        """Over all queries."""
        sums, counts = self.sums[:, :, column].sum(axis=1), self.counts[:, :, column].sum(axis=1)
        found = self._mean(np.ones(len(self.columns), bool), column)
        return _with_interval(found, _ratio(sums, counts), _unseen(found.n_groups))

    def of_tasks(self, column: int) -> Mean:
        """The plain mean of the tasks' means; of those draws that have every task in them."""
        each = [self._mean(part, column) for part in self.parts.T]
        there = [task for task, mean in enumerate(each) if mean.value is not None]
        found = self._mean(np.ones(len(self.columns), bool), column)
        if not there:
            return found
        draws = _ratio(self.sums[:, there, column], self.counts[:, there, column]).mean(axis=1)
        value = float(np.mean([each[task].value for task in there]))
        unseen = float(np.mean([_unseen(each[task].n_groups) for task in there]))
        return _with_interval(found._replace(value=value), draws, unseen)

    def _mean(self, rows: Bools, column: int) -> Mean:
        """Without an interval."""
        known = rows & ~np.isnan(self.columns[:, column])
        n, independent = int(known.sum()), n_groups(self.groups[known])
        value = float(self.columns[known, column].mean()) if n else None
        return Mean(n, independent, value, None, None)


def _unseen(n: int) -> float:
    """Share of all that may be unlike `n` that are all alike."""
    return min(1.0, 3 / n) if n else 1.0


def _expanded(n: int) -> float:
    """Level at which draws of `n` are cut, so that the interval of few is as wide as it has to be.

    Source: the expanded percentile interval; Hesterberg, "What Teachers Should Know About the
    Bootstrap" (2015).
    """
    free = n - 1
    quantile = stdtrit(free, (1 + _LEVEL) / 2) * sqrt(n / free)
    return float(2 * ndtr(quantile) - 1)


def _with_interval(mean: Mean, draws: NDArray[np.float64], unseen: float) -> Mean:
    if mean.value is None or mean.n_groups < _FEWEST:
        return mean
    low, high = interval(draws, _expanded(mean.n_groups))
    if high - low < _NOTHING:
        low, high = max(-1.0, mean.value - unseen), min(1.0, mean.value + unseen)
    return mean._replace(low=low, high=high)


def means_of(
    columns: FloatMatrix,
    tasks: Sequence[int],
    groups: IntVector,
    *,
    n_bootstrap: int,
    seed: int,
) -> Means:
    """Resample groups of queries once for all columns.

    Args:
        columns: Shape (n_queries, n_columns), NaN where not known; at least one query.
        tasks: Number of each query's task, from 0 on without gaps.
        groups: Group of near-duplicates of each query.
        n_bootstrap: Number of draws.
        seed: The same seed gives the same draws.

    >>> found = means_of(np.array([[1.0], [0.0]]), [0, 1], np.arange(2), n_bootstrap=9, seed=0)
    >>> found.of_queries(0).value, found.of_task(1, 0).value
    (0.5, 0.0)
    """
    numbers = np.asarray(tasks)
    parts = numbers[:, None] == np.arange(numbers.max() + 1)
    known = ~np.isnan(columns)
    values = np.concatenate([np.where(known, columns, 0.0), known], axis=1)
    spread = (parts[:, :, None] * values[:, None, :]).reshape(len(columns), -1)
    draws = resampled_sums(spread, groups, n_bootstrap=n_bootstrap, seed=seed)
    draws = draws.reshape(n_bootstrap, parts.shape[1], 2, columns.shape[1])
    return Means(columns, parts, groups, draws[:, :, 0], draws[:, :, 1])


def _ratio(sums: FloatMatrix, counts: FloatMatrix) -> FloatMatrix:
    found: FloatMatrix = np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)
    return found
