"""Greedy selection of an ensemble from what its members predict out of fold."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from fusion_agents.outcomes import FloatMatrix
from fusion_agents.routers.shrinkage import ArmPrior

TEMPERATURE = 0.05
"""Of the softmax by which ensembles are compared, in units of score."""

_STEPS = 12
_MOST_CELLS = 60_000

Criterion = Callable[[FloatMatrix, FloatMatrix], float]


def select(predicted: Sequence[FloatMatrix], scores: FloatMatrix) -> NDArray[np.float64]:
    """Weigh predictions so that their weighted sum routes well, shape (n_members,), sum 1.

    Starting from nothing, the member that improves the mean of the chosen ones most is added,
    again and again, with repetition; a member's weight is its share of the twelve additions. This
    is done for the squared error of the differences between arms, which follows all that is known
    but also looks at arms that nobody would choose. It is done again for the routed value, which
    looks at what is earned but is noisier; where choosing by that ensemble earns more out of fold
    than by the first, the two are averaged.

    Source: Caruana et al., Ensemble selection from libraries of models (2004).

    Args:
        predicted: Out-of-fold predictions, each of shape (n_queries, n_arms).
        scores: What happened, NaN where not known.
    """
    step = max(1, scores.size // _MOST_CELLS)
    rows = slice(None, None, step)
    members = [p[rows] for p in predicted]
    means = ArmPrior.fit(scores[rows]).filled
    actual = differences(scores[rows], scores[rows])
    weights = _greedy(members, scores[rows], partial(difference_accuracy, actual=actual))
    bolder = _greedy(members, scores[rows], partial(routed_value, means=means))

    def earned(weights: NDArray[np.float64]) -> float:
        blended = sum(w * member for w, member in zip(weights, members, strict=True))
        return routed_value(np.asarray(blended), scores[rows], temperature=1e-6, means=means)

    return (weights + bolder) / 2 if earned(bolder) > earned(weights) else weights


def _greedy(
    members: Sequence[FloatMatrix], scores: FloatMatrix, criterion: Criterion
) -> NDArray[np.float64]:
    counts = np.zeros(len(members))
    total = np.zeros(scores.shape)
    for size in range(1, _STEPS + 1):
        values = [criterion((total + member) / size, scores) for member in members]
        added = int(np.argmax(values))
        counts[added] += 1
        total += members[added]
    return counts / _STEPS


def routed_value(
    predicted: FloatMatrix,
    scores: FloatMatrix,
    temperature: float = TEMPERATURE,
    means: NDArray[np.float64] | None = None,
) -> float:
    """Mean score, above the arm's mean, of choosing by a softmax of what is predicted.

    A smooth stand-in for choosing the best arm. Cells that are not known are left out. The arms'
    means follow from the scores; they may be given, as finding them takes time.
    """
    known = ~np.isnan(scores)
    weight = np.where(known, softmax(predicted / temperature, axis=1), 0.0)
    if known.all():
        return float((weight * scores).sum() / len(scores))
    means = ArmPrior.fit(scores).filled if means is None else means
    above = np.where(known, scores - means, 0.0)
    expected = softmax(predicted / temperature, axis=1) @ means
    return float((weight * above).sum() / weight.sum() + expected.mean())


def difference_accuracy(
    predicted: FloatMatrix, scores: FloatMatrix, actual: FloatMatrix | None = None
) -> float:
    """Negative mean squared error of the differences between arms, which may be given."""
    actual = differences(scores, scores) if actual is None else actual
    return -float(np.nanmean((differences(predicted, scores) - actual) ** 2))


def differences(values: FloatMatrix, scores: FloatMatrix) -> FloatMatrix:
    """Take most of each query's mean away: routing depends on differences between arms.

    The mean is over the arms whose score is known, shrunk by one pseudo-answer, so that a query
    that a single arm answered still counts.
    """
    known = ~np.isnan(scores)
    kept = np.where(known, values, 0.0)
    effect = kept.sum(axis=1, keepdims=True) / (known.sum(axis=1, keepdims=True) + 1)
    return np.where(known, values - effect, np.nan)
