"""Specialists: arms whose scores differ more from query to query than those of the others."""

import numpy as np
from numpy.typing import NDArray

from fusion_agents.outcomes import FloatMatrix, IntVector

FloatVector = NDArray[np.float64]

_ROUNDS = 50
_DEGREES = 4.0
"""Of freedom of the contrasts' distribution, whose tails are long: a specialist is no outlier."""


def stretch(expected: FloatMatrix, means: FloatVector, contrast: FloatVector) -> FloatMatrix:
    """Stretch each arm's deviations from its mean."""
    stretched: FloatMatrix = means + contrast * (expected - means)
    return stretched


def contrasted(
    expected: FloatMatrix, scores: FloatMatrix, means: FloatVector, folds: IntVector
) -> tuple[FloatMatrix, FloatVector]:
    """Learn by how much to stretch, and stretch what is expected out of fold.

    What is good for most arms is too cautious for one that is right on one kind of queries and
    wrong on all others, as a model that was trained for one task is. Each arm's slope of its
    scores over what is expected is estimated out of fold and shrunk towards 1, as far as the arms'
    slopes differ by no more than their errors (empirical Bayes).

    Args:
        expected: Out of fold, shape (n_queries, n_arms).
        scores: Likewise, NaN where not known.
        means: Of the arms, shape (n_arms,).
        folds: A fold number for each query.

    Returns:
        What is expected, each fold stretched as the others say; and the contrast of all, shape
        (n_arms,).
    """
    stretched = expected.copy()
    for fold in np.unique(folds):
        inside = folds == fold
        rest = inside if inside.all() else ~inside
        learned = fit_contrast(expected[rest], scores[rest], means)
        stretched[inside] = stretch(expected[inside], means, learned)
    return stretched, fit_contrast(expected, scores, means)


def fit_contrast(expected: FloatMatrix, scores: FloatMatrix, means: FloatVector) -> FloatVector:
    """Slopes of scores over what was expected, shrunk towards 1, shape (n_arms,).

    >>> expected = np.array([[0.4], [0.6]] * 50)
    >>> fit_contrast(expected, np.where(expected > 0.5, 0.7, 0.3), np.array([0.5])).round(1)
    array([2.])
    """
    known = ~np.isnan(scores)
    x = np.where(known, expected - means, 0.0)
    residual = np.where(known, scores - expected, 0.0)
    power = (x**2).sum(axis=0)
    slope = np.divide((x * residual).sum(axis=0), power, out=np.zeros(len(means)), where=power > 0)
    noise = ((residual - x * slope) ** 2).sum(axis=0) / np.maximum(known.sum(axis=0) - 1, 1)
    error = np.divide(noise, power, out=np.full(len(means), np.inf), where=power > 0)
    return np.maximum(1.0 + _shrunk(slope, error), 0.0)


def _shrunk(slope: FloatVector, error: FloatVector) -> FloatVector:
    """Means of slopes of which those with large errors are near zero, each with its own spread."""
    shrunk = np.zeros(len(slope))
    there = np.isfinite(error)
    if not there.any():
        return shrunk
    slope, error = slope[there], error[there]
    scale = max(float(np.mean(slope**2 - error)), 0.0)
    spread = np.full(len(slope), scale)
    for _ in range(_ROUNDS):
        believed = _ratio(spread, spread + error)
        squares = (believed * slope) ** 2 + believed * error
        spread = (_DEGREES * scale + squares) / (_DEGREES + 1)
        scale = float(np.exp(np.mean(np.log(np.maximum(spread, 1e-12)))))
    shrunk[there] = _ratio(spread, spread + error) * slope
    return shrunk


def _ratio(part: FloatVector, whole: FloatVector) -> FloatVector:
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)
