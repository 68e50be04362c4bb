"""How well scores agree with performance, and what else they follow.

Each measure takes how often each answer counts, shape (n_answers,), so that a resampled set of
answers is a row of numbers; it gives NaN where the answers cannot tell.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fusion_agents.judging.pairs import FloatVector, Pairs
from fusion_agents.outcomes import FloatMatrix

RIGHT = 0.5
"""Performance from which an answer counts as right."""
_BINS = 15
_NOTHING = 1e-9
_ROUNDING = 1e-9
"""Share of a column's squares that may be left by rounding alone."""

Measure = Callable[[FloatVector], float]


def measures_of(pairs: Pairs, expected: FloatVector) -> dict[str, Measure]:
    """All measures, by their field of a report.

    Args:
        pairs: The answers.
        expected: Their calibrated scores.
    """
    score, performance = pairs.score, pairs.performance
    length = np.log2(1 + pairs.length)
    columns = np.column_stack(
        [np.ones(len(score)), performance, length, score, pairs.own.astype(np.float64)]
    )
    return {
        "auc": auc(score, performance),
        "spearman": spearman(score, performance),
        "error_before": calibration_error(score, performance),
        "error_after": calibration_error(expected, performance),
        "length_slope": lambda weights: _slope(_left(columns, weights)),
        "length_correlation": lambda weights: _correlation(_left(columns, weights)),
        "own_family": lambda weights: _own_family_gain(columns, weights),
    }


def auc(score: FloatVector, performance: FloatVector) -> Measure:
    """How often a right answer has a higher score than a wrong one; ties count half.

    Source: Hanley and McNeil, "The Meaning and Use of the Area under a ROC Curve" (1982).

    >>> score, performance = np.array([0.9, 0.8, 0.1]), np.array([1.0, 0.0, 0.0])
    >>> auc(score, performance)(np.ones(3))
    1.0
    """
    level, right = _levels(score), performance >= RIGHT

    def measure(weights: FloatVector) -> float:
        rights = np.bincount(level, weights * right)
        wrongs = np.bincount(level, weights * ~right)
        pairs = float(rights.sum() * wrongs.sum())
        below = np.cumsum(wrongs) - wrongs / 2
        return float(rights @ below) / pairs if pairs else np.nan

    return measure


def spearman(score: FloatVector, performance: FloatVector) -> Measure:
    """Correlation of the ranks; ties share their rank."""
    levels = [_levels(score), _levels(performance)]

    def measure(weights: FloatVector) -> float:
        ranks = [_ranks(level, weights) for level in levels]
        columns = np.column_stack([np.ones(len(weights)), *ranks])
        return _correlation(_given(columns, weights, known=1))

    return measure


def calibration_error(forecast: FloatVector, performance: FloatVector) -> Measure:
    """Mean distance of forecast and performance, as in `fusion_agents.evaluation.calibration`."""
    if np.isnan(forecast).any():
        return lambda _: np.nan
    level = np.minimum((np.clip(forecast, 0, 1) * _BINS).astype(np.int64), _BINS - 1)

    def measure(weights: FloatVector) -> float:
        distance = np.bincount(level, weights * (forecast - performance))
        return float(np.abs(distance).sum() / weights.sum())

    return measure


def _own_family_gain(columns: FloatMatrix, weights: FloatVector) -> float:
    """How much higher the judge's own family is scored than others, at equal performance."""
    own, score = 4, 3
    left = _given(columns[:, [0, 1, own, score]], weights, known=2)
    return _slope(left)


def _left(columns: FloatMatrix, weights: FloatVector) -> FloatMatrix:
    """Of length and score, what performance does not explain."""
    return _given(columns[:, :4], weights, known=2)


def _given(columns: FloatMatrix, weights: FloatVector, *, known: int) -> FloatMatrix:
    """Squares and products of the last columns after regression on the first `known` ones."""
    products = (columns.T * weights) @ columns
    inner, cross = products[:known, :known], products[:known, known:]
    solved = np.linalg.lstsq(inner, cross, rcond=None)[0]
    whole = products[known:, known:]
    left: NDArray[np.float64] = whole - cross.T @ solved
    explained = np.diag(left) <= _ROUNDING * np.diag(whole)
    left[explained, explained] = 0.0
    return left


def _slope(left: FloatMatrix) -> float:
    """How much the second rises with the first."""
    return float(left[0, 1] / left[0, 0]) if left[0, 0] > _NOTHING else np.nan


def _correlation(left: FloatMatrix) -> float:
    size = float(np.sqrt(left[0, 0] * left[1, 1]))
    return float(left[0, 1]) / size if size > _NOTHING else np.nan


def _levels(values: FloatVector) -> NDArray[np.int64]:
    """Number the different values, the smallest first."""
    return np.unique(values, return_inverse=True)[1].astype(np.int64)


def _ranks(level: NDArray[np.int64], weights: FloatVector) -> FloatVector:
    counts = np.bincount(level, weights)
    ranks: FloatVector = (np.cumsum(counts) - counts / 2)[level]
    return ranks
