"""What the arms of a log have in common: a prior for the weights of an arm that joins."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from fusion_agents.outcomes import FloatMatrix, IntVector

FloatVector = NDArray[np.float64]

_MOST_ROWS = 1_500
"""Queries from which the prior is learned; more do not change it."""
_N_ROUNDS = 12
_N_STEPS = 12
_LARGEST_STEP = 2.0
_BELIEF = 0.5
"""Arms as which the first prior below counts beside those of the log."""
_FREEDOM = 4.0
_N_SCALINGS = 4
_LEAST_DISPERSION = 0.05
_CLOSEST = 0.02
"""Forecasts closer to 0 or 1 than this are not believed."""

MEAN, LEVEL, ARM, LUCK, ARM_LUCK, PLACE = range(6)
"""Groups of weights.

The arm's mean; the level of all known arms, and each one's deviation from it; for queries that
these answered, how much better than expected they did together, and each of them; and last, where
the query lies.
"""
_FIRST_MEAN = (0.0, 0.7, 0.0, 2.0, 0.0, 0.0)
_FIRST_STD = (0.5, 0.3, 0.2, 1.0, 0.4, 0.4)
_HAVE_MEANS = (LEVEL, LUCK)


class Known(NamedTuple):
    """What the log knows of its established arms, and where its queries lie."""

    expected: FloatMatrix
    """Forecasts by models that had not seen the query, shape (n_queries, n_established)."""
    scores: FloatMatrix
    """What happened, same shape, NaN where not known."""
    places: FloatMatrix
    """Share of each cluster in each query, shape (n_queries, n_clusters)."""

    def take(self, rows: NDArray[np.integer] | NDArray[np.bool_]) -> "Known":
        """Keep these queries."""
        return Known(self.expected[rows], self.scores[rows], self.places[rows])

    def without(self, arm: int) -> "Known":
        """Forget an arm."""
        expected, scores = (np.delete(values, arm, axis=1) for values in self[:2])
        return Known(expected, scores, self.places)


class Prior(NamedTuple):
    """How the weights of the arms of a log are spread, by group."""

    mean: FloatVector
    variance: FloatVector
    dispersion: float = 1.0
    """Variance of single scores over that of a coin with their expectation; less if graded."""


class Posterior(NamedTuple):
    """Weights of one arm and their covariance."""

    weights: FloatVector
    covariance: FloatMatrix


class Case(NamedTuple):
    """An established arm as if it were new."""

    x: FloatMatrix
    y: FloatVector


def learn_prior(known: Known, centre: FloatVector) -> Prior:
    """Learn how weights are spread, by taking each established arm for a new one.

    Expectation-maximisation of a hierarchical logistic regression: the weights of a group have one
    normal distribution over arms. With a single established arm nothing can be learned of it.
    """
    first = Prior(np.array(_FIRST_MEAN), np.array(_FIRST_STD) ** 2)
    first.mean[MEAN] = centre.mean()
    if len(centre) < 2:
        return first
    step = 1 + (len(known.expected) - 1) // _MOST_ROWS
    part = known.take(np.arange(0, len(known.expected), step))
    cases = [_case(part, centre, arm) for arm in range(len(centre))]
    groups = feature_groups(len(centre) - 1, known.places.shape[1])
    prior = first
    weights = [first.mean[groups] for _ in cases]
    for _ in range(_N_ROUNDS):
        both = zip(cases, weights, strict=True)
        found = [solve(*case, prior, groups, start=w, n_steps=2) for case, w in both]
        weights = [posterior.weights for posterior in found]
        mean, variance = _spread(first, found, groups)
        prior = Prior(mean, variance, _dispersion(cases, weights))
    return prior


def _case(known: Known, centre: FloatVector, arm: int) -> Case:
    answered = ~np.isnan(known.scores[:, arm])
    others = known.take(answered).without(arm)
    return Case(all_features(others, np.delete(centre, arm)), known.scores[answered, arm])


def _spread(
    first: Prior, found: list[Posterior], groups: IntVector
) -> tuple[FloatVector, FloatVector]:
    weights = np.array([posterior.weights for posterior in found])
    errors = np.array([np.diag(posterior.covariance) for posterior in found])
    mean, variance = first.mean.copy(), first.variance.copy()
    for group in np.unique(groups):
        own = groups == group
        if group == MEAN:
            mean[group] = weights[:, own].mean()
        elif group in _HAVE_MEANS:
            total = weights[:, own].sum() + _BELIEF * first.mean[group]
            mean[group] = total / (len(found) + _BELIEF)
        away = ((weights[:, own] - mean[group]) ** 2 + errors[:, own]).mean(axis=1)
        variance[group] = (away.sum() + _BELIEF * first.variance[group]) / (len(found) + _BELIEF)
    return mean, variance


def _dispersion(cases: list[Case], weights: list[FloatVector]) -> float:
    expected = [expit(case.x @ w) for case, w in zip(cases, weights, strict=True)]
    coin = sum(float((p * (1 - p)).sum()) for p in expected)
    actual = sum(float(((c.y - p) ** 2).sum()) for c, p in zip(cases, expected, strict=True))
    return float(np.clip(actual / max(coin, 1e-9), _LEAST_DISPERSION, 1.0))


def solve(
    x: FloatMatrix,
    y: FloatVector,
    prior: Prior,
    groups: IntVector,
    *,
    start: FloatVector | None = None,
    n_steps: int = _N_STEPS,
) -> Posterior:
    """Logistic regression with a normal prior, by Newton's method; the covariance is Laplace's.

    Args:
        x: Shape (n_answers, n_features).
        y: Scores in [0, 1], shape (n_answers,).
        prior: By group.
        groups: Group of each feature.
        start: Weights to begin with; the prior's mean by default.
        n_steps: Number of Newton steps.
    """
    mean, precision = prior.mean[groups], 1 / prior.variance[groups]
    w = mean if start is None else start
    for _ in range(n_steps):
        p = expit(x @ w)
        slope = x.T @ (y - p) / prior.dispersion - precision * (w - mean)
        step = np.linalg.solve(_curvature(x, p, prior.dispersion, precision), slope)
        w = w + step * min(1.0, _LARGEST_STEP / max(float(np.abs(step).max()), 1e-9))
    curvature = _curvature(x, expit(x @ w), prior.dispersion, precision)
    covariance = np.asarray(np.linalg.inv(curvature), dtype=np.float64)
    return Posterior(w, covariance)


def solve_new(x: FloatMatrix, y: FloatVector, prior: Prior, groups: IntVector) -> Posterior:
    """The same for an arm that may be unlike the others: its weights have heavier tails.

    Each group's variance is learned from the arm's own weights, too, where the prior's counts as
    four arms (Student's t with four degrees of freedom).
    """
    found = solve(x, y, prior, groups)
    for _ in range(_N_SCALINGS):
        away = (found.weights - prior.mean[groups]) ** 2 + np.diag(found.covariance)
        size = np.bincount(groups, minlength=len(prior.mean))
        own = np.bincount(groups, away, minlength=len(prior.mean)) / np.maximum(size, 1)
        variance = (_FREEDOM * prior.variance + own) / (_FREEDOM + 1)
        found = solve(x, y, prior._replace(variance=variance), groups, start=found.weights)
    return found


def _curvature(
    x: FloatMatrix, p: FloatVector, dispersion: float, precision: FloatVector
) -> FloatMatrix:
    curvature: FloatMatrix = (x.T * (p * (1 - p) / dispersion)) @ x + np.diag(precision)
    return curvature


def feature_groups(n_arms: int, n_places: int) -> IntVector:
    """Group of each feature of a query that was answered, for so many established arms."""
    return np.repeat(np.arange(6), (1, 1, n_arms, 1, n_arms, n_places))


def log_odds(expected: FloatMatrix) -> FloatMatrix:
    """Log-odds of forecasts, kept within the log-odds of 0.02 and 0.98."""
    odds: FloatMatrix = logit(np.clip(expected, _CLOSEST, 1 - _CLOSEST))
    return odds


def features(deviation: FloatMatrix, places: FloatMatrix, *luck: FloatMatrix) -> FloatMatrix:
    """What is known of a query, in the order of the groups; without luck if nobody answered it."""
    level = deviation.mean(axis=1, keepdims=True)
    return np.hstack([np.ones((len(level), 1)), level, deviation - level, *luck, places])


def all_features(known: Known, centre: FloatVector) -> FloatMatrix:
    """The same for queries that were answered: with how much better than expected the others did.

    What is hard about a question and no text tells is seen in the others' answers; taking it out
    leaves less noise in the new arm's.
    """
    answered = ~np.isnan(known.scores)
    luck = np.where(answered, known.scores - known.expected, 0.0)
    level = luck.sum(axis=1, keepdims=True) / np.maximum(answered.sum(axis=1, keepdims=True), 1)
    own = np.where(answered, luck - level, 0.0)
    return features(log_odds(known.expected) - centre, known.places, level, own)
