"""Intervals by resampling groups of queries."""

import numpy as np
from numpy.typing import NDArray

from fusion_agents.outcomes import FloatMatrix, IntVector

_CHUNK = 1_000_000
"""Most group draws held in memory at a time."""


def resampled_sums(
    columns: FloatMatrix, groups: IntVector, *, n_bootstrap: int, seed: int
) -> FloatMatrix:
    """Sum columns over resampled queries, to form any ratio of sums from.

    Whole groups of near-duplicates are drawn with replacement, as many as there are, because
    queries within a group are not independent. All columns see the same draws, so differences
    between them are paired. Source: Efron and Tibshirani, An Introduction to the Bootstrap
    (1993), chapters 6 and 13; cluster bootstrap.

    Args:
        columns: Shape (n_queries, n_columns).
        groups: Group of each query, shape (n_queries,); only equality counts.
        n_bootstrap: Number of draws.
        seed: The same seed, queries and groups give the same draws.

    Returns:
        Shape (n_bootstrap, n_columns).

    >>> ones = np.ones((4, 1))
    >>> resampled_sums(ones, np.arange(4), n_bootstrap=3, seed=0).ravel().tolist()
    [4.0, 4.0, 4.0]
    """
    labels = _by_first_appearance(groups)
    n_groups = int(labels.max(initial=-1)) + 1
    totals = np.zeros((n_groups, columns.shape[1]))
    np.add.at(totals, labels, columns)
    rng = np.random.default_rng(seed)
    sums = np.zeros((n_bootstrap, columns.shape[1]))
    if not n_groups:
        return sums
    step = max(1, _CHUNK // n_groups)
    for start in range(0, n_bootstrap, step):
        size = min(step, n_bootstrap - start)
        sums[start : start + size] = _draw(rng, size, n_groups) @ totals
    return sums


def interval(draws: NDArray[np.float64], level: float = 0.95) -> tuple[float, float]:
    """Percentile interval of bootstrap draws, shape (n_bootstrap,); NaN if none is known."""
    known = draws[~np.isnan(draws)]
    if not len(known):
        return np.nan, np.nan
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def n_groups(groups: IntVector) -> int:
    """Number of independent units in a sample."""
    return len(np.unique(groups))


def _draw(rng: np.random.Generator, size: int, n_groups: int) -> FloatMatrix:
    """How often each group is drawn, shape (size, n_groups)."""
    drawn = rng.integers(0, n_groups, size=(size, n_groups))
    drawn += n_groups * np.arange(size)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=size * n_groups)
    return counts.reshape(size, n_groups).astype(np.float64)


def _by_first_appearance(groups: IntVector) -> IntVector:
    """Number groups in the order in which they appear, so that their labels do not matter."""
    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first))
    labels: IntVector = rank[inverse]
    return labels
