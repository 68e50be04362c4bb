"""Whether a difference is more than chance, over all rows of a comparison together."""

from collections.abc import Sequence
from itertools import product
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from fusion_agents.distill.comparing.comparison import Finding
from fusion_agents.outcomes import FloatMatrix, IntVector

LEVEL = 0.05
"""Probability that any row at all is said to differ where none does."""
FEWEST = 10
"""Independent queries below which nothing is said."""

_FLIPS = 9_999
_EXACT = 12
"""Up to so many groups that differ, all ways to flip them are counted."""
_CHUNK = 2_000_000
_TINY = 1e-12


def chance_of(differences: FloatMatrix, groups: IntVector, *, seed: int = 0) -> float:
    """How likely a mean at least as far from zero is, if base and student are alike.

    If they are, each pair is as likely the other way round; near-duplicates turn together.
    Source: Fisher's randomisation test; for right and wrong answers it is McNemar's exact test.
    Graded scores of equal means may be skewed to one side, by which that test is misled; so of
    these the chance by Johnson's modified t counts if it is larger (Johnson, "Modified t Tests and
    Confidence Intervals for Asymmetrical Populations", JASA 1978).

    Args:
        differences: Student less base for each pair, weighted as in the mean, shape (n_pairs,);
            no NaN.
        groups: Of near-duplicates, shape (n_pairs,).
        seed: Of the draws, where there are too many ways to count them all.

    Returns:
        In (0, 1]; 1 where no pair differs.

    >>> chance_of(np.array([1.0, 1.0, 1.0, 0.0]), np.arange(4))
    0.25
    """
    _, labels = np.unique(groups, return_inverse=True)
    sums: NDArray[np.float64] = np.bincount(labels, weights=differences).astype(np.float64)
    turned = _by_turning(sums[np.abs(sums) > _TINY], seed)
    sizes = np.abs(sums[np.abs(sums) > _TINY])
    if not len(sizes) or np.ptp(sizes) < _TINY:
        return turned
    return max(turned, _by_modified_t(sums))


def _by_turning(sums: NDArray[np.float64], seed: int) -> float:
    if not len(sums):
        return 1.0
    far = abs(sums.sum()) - _TINY * len(sums)
    if len(sums) <= _EXACT:
        signs = np.array(list(product((-1.0, 1.0), repeat=len(sums))))
        return float(np.mean(np.abs(signs @ sums) >= far))
    return (1 + _count_as_far(sums, far, seed)) / (1 + _FLIPS)


def _by_modified_t(sums: NDArray[np.float64]) -> float:
    n, mean = len(sums), float(sums.mean())
    variance = float(sums.var(ddof=1))
    skew = float(((sums - mean) ** 3).mean())
    shift = skew / (6 * variance * n) + skew * mean**2 / (3 * variance**2)
    t = (mean + shift) * sqrt(n / variance)
    return float(2 * stdtr(n - 1, -abs(t)))


def _count_as_far(sums: NDArray[np.float64], far: float, seed: int) -> int:
    rng = np.random.default_rng(seed)
    step = max(1, _CHUNK // len(sums))
    found = 0
    for start in range(0, _FLIPS, step):
        signs = rng.integers(0, 2, size=(min(step, _FLIPS - start), len(sums))) * 2.0 - 1.0
        found += int((np.abs(signs @ sums) >= far).sum())
    return found


def corrected(chances: Sequence[float]) -> list[float]:
    """Correct for so many rows: below `LEVEL` for no reason in at most that share of comparisons.

    Source: Holm, "A Simple Sequentially Rejective Multiple Test Procedure" (1979); it holds
    however the rows depend on each other.

    >>> corrected([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(chances, kind="stable")
    found = [0.0] * len(chances)
    least = 0.0
    for rank, place in enumerate(order.tolist()):
        least = max(least, min(1.0, (len(chances) - rank) * chances[place]))
        found[place] = least
    return found


def finding(
    n_groups: int, delta: float | None, low: float | None, high: float | None, p: float | None
) -> Finding:
    """Say what a row shows: a difference if both its interval and its corrected chance say so.

    >>> finding(50, 0.2, 0.05, 0.3, 0.01), finding(50, 0.2, 0.05, 0.3, 0.2), finding(9, 1, 1, 1, 0)
    ('helped', 'no certain difference', 'too few')
    """
    if n_groups < FEWEST or delta is None or p is None or low is None or high is None:
        return "too few"
    if p < LEVEL and low > 0:
        return "helped"
    if p < LEVEL and high < 0:
        return "hurt"
    return "no certain difference"
