"""Arms with a few dozen answers: what they score is read off the arms that the log knows well."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from fusion_agents.encoders.base import Vectors
from fusion_agents.outcomes import FloatMatrix, IntVector
from fusion_agents.routers.heads.cards import Cards, card_priors
from fusion_agents.routers.heads.contrast import contrasted, stretch
from fusion_agents.routers.heads.latent import membership, spherical_k_means
from fusion_agents.routers.heads.sharing import (
    ARM_LUCK,
    LUCK,
    FloatVector,
    Known,
    Prior,
    all_features,
    feature_groups,
    features,
    learn_prior,
    log_odds,
    solve_new,
)
from fusion_agents.routers.interfaces import Estimate

MOST_ANSWERS = 200
"""An arm with more scores than this is learned like any other."""
LEAST_RATIO = 4
"""So many times more scores than a new arm has the arm with the most of them."""

_N_CLUSTERS = 16
_N_NEAREST = 4
_SHARPNESS = 9.0


@dataclass(frozen=True, eq=False)
class ColdStart:
    """Log-odds linear in those of the established arms' forecasts and in the query's place."""

    centres: NDArray[np.float32]
    """Of clusters of queries, shape (n_clusters, n_dims)."""
    middle: FloatVector
    """The established arms' mean log-odds, shape (n_established,)."""
    weights: FloatMatrix
    """Shape (n_new, n_features)."""
    covariance: NDArray[np.float64]
    """Of the weights as estimates, shape (n_new, n_features, n_features)."""
    luck: FloatVector
    """Variance of the log-odds between queries that look alike, shape (n_new,)."""
    mean: FloatVector
    """Mean forecast over the logged queries, shape (n_new,)."""
    error: FloatVector
    """Its standard error; smaller than that of a single forecast."""
    centre: FloatVector
    """Around which forecasts are stretched, shape (n_new,)."""
    contrast: FloatVector
    """By how much; see `heads.contrast`."""

    def __post_init__(self) -> None:
        """Refuse arrays that do not belong together, as a damaged file may hold."""
        n_new, n_features = self.weights.shape
        if n_features != 2 + len(self.middle) + len(self.centres):
            raise ValueError("weights of new arms and what they weigh differ in number")
        of_arms = (self.luck, self.mean, self.error, self.centre, self.contrast)
        lengths = {len(values) for values in of_arms}
        if self.covariance.shape != (n_new, n_features, n_features) or lengths != {n_new}:
            raise ValueError("new arms and their errors differ in number")

    def predict(self, expected: FloatMatrix, vectors: Vectors) -> Estimate:
        """Expect the new arms' scores, shape (n_queries, n_new).

        Args:
            expected: What the established arms are expected to score, (n_queries, n_established).
            vectors: The queries' vectors.
        """
        return self._predict(expected, _places(vectors, self.centres))

    def _predict(self, expected: FloatMatrix, places: FloatMatrix) -> Estimate:
        x = features(log_odds(expected) - self.middle, places)
        arms = zip(self.weights, self.covariance, self.luck, strict=True)
        forecasts = [_forecast(x, *arm) for arm in arms]
        mean, slope, spread = (np.stack(part, axis=1) for part in zip(*forecasts, strict=True))
        stretched = np.clip(stretch(mean, self.centre, self.contrast), 0.0, 1.0)
        return Estimate(stretched, self.contrast * slope * np.sqrt(spread))


class _Forecast(NamedTuple):
    """Of one new arm, each of shape (n_queries,)."""

    mean: FloatVector
    slope: FloatVector
    """How much the mean grows with the log-odds."""
    spread: FloatVector
    """Variance of the log-odds as estimates."""


def _forecast(
    x: FloatMatrix, weights: FloatVector, covariance: FloatMatrix, luck: float
) -> _Forecast:
    """Average over what is not known of the log-odds, by the usual approximation to a probit."""
    spread = np.maximum(((x @ covariance) * x).sum(axis=1), 0.0)
    flatter = 1 / np.sqrt(1 + np.pi / 8 * (spread + luck))
    mean = np.asarray(expit(x @ weights * flatter))
    return _Forecast(mean, mean * (1 - mean) * flatter, spread)


class FittedColdStart(NamedTuple):
    """A model, and its forecasts of queries by models that had not seen the new arms' answers."""

    model: ColdStart
    out_of_fold: FloatMatrix
    """Shape (n_queries, n_new)."""


def new_arms(scores: FloatMatrix) -> NDArray[np.bool_]:
    """Which arms have few scores, in all and beside the others, shape (n_arms,)."""
    count = (~np.isnan(scores)).sum(axis=0)
    few = (count <= MOST_ANSWERS) & (LEAST_RATIO * count <= count.max(initial=0))
    new: NDArray[np.bool_] = (count > 0) & few
    return new


def fit_cold_start(
    established: tuple[FloatMatrix, FloatMatrix],
    scores: FloatMatrix,
    vectors: Vectors,
    folds: IntVector,
    *,
    cards: tuple[Cards, Cards] | None = None,
    seed: int = 0,
) -> FittedColdStart:
    """Regress the new arms' scores on what is known of the others, with a prior learned from them.

    Args:
        established: Out-of-fold forecasts of the other arms and their scores (NaN where not
            known), each of shape (n_queries, n_established).
        scores: Of the new arms, shape (n_queries, n_new), NaN where not known.
        vectors: Of the queries.
        folds: A fold number for each query.
        cards: Of the established arms and of the new ones, if there are any.
        seed: For the clusters of queries.
    """
    centres = spherical_k_means(vectors, _N_CLUSTERS, seed)
    known = Known(*established, _places(vectors, centres))
    middle = log_odds(known.expected).mean(axis=0)
    prior = learn_prior(known, middle)
    priors = [prior] * scores.shape[1] if cards is None else card_priors(prior, middle, *cards)
    model = _fit(known, scores, priors, centres, middle)
    out_of_fold = model._predict(known.expected, known.places).mean
    answered = ~np.isnan(scores)
    for fold in np.unique(folds[answered.any(axis=1)]):
        inside = folds == fold
        rest = np.where(inside[:, None], np.nan, scores)
        held_out = known.take(inside)
        blind = _fit(known, rest, priors, centres, middle)
        forecast = blind._predict(held_out.expected, held_out.places).mean
        out_of_fold[inside] = np.where(answered[inside], forecast, out_of_fold[inside])
    return _contrasted(FittedColdStart(model, out_of_fold), established, scores, folds)


def _contrasted(
    fitted: FittedColdStart,
    established: tuple[FloatMatrix, FloatMatrix],
    scores: FloatMatrix,
    folds: IntVector,
) -> FittedColdStart:
    """Stretch the forecasts of new arms that are specialists, beside arms that are as expected."""
    expected = np.hstack([established[0], fitted.out_of_fold])
    known = np.hstack([established[1], scores])
    count = np.maximum((~np.isnan(known)).sum(axis=0), 1)
    means = np.where(np.isnan(known), 0.0, expected).sum(axis=0) / count
    stretched, contrast = contrasted(expected, known, means, folds)
    new = slice(established[0].shape[1], None)
    model = replace(
        fitted.model,
        centre=means[new],
        contrast=contrast[new],
        mean=stretch(fitted.model.mean, means[new], contrast[new]),
        error=contrast[new] * fitted.model.error,
    )
    return FittedColdStart(model, np.clip(stretched[:, new], 0.0, 1.0))


def _fit(
    known: Known,
    scores: FloatMatrix,
    priors: Sequence[Prior],
    centres: NDArray[np.float32],
    middle: FloatVector,
) -> ColdStart:
    """Learn each new arm by itself."""
    groups = feature_groups(len(middle), len(centres))
    lucky = (groups == LUCK) | (groups == ARM_LUCK)
    everywhere = features(log_odds(known.expected) - middle, known.places)
    arms = []
    for column, prior in zip(scores.T, priors, strict=True):
        rows = ~np.isnan(column)
        x = all_features(known.take(rows), middle)
        found = solve_new(x, column[rows], prior, groups)
        luck = float(((x[:, lucky] @ found.weights[lucky]) ** 2).sum() / max(rows.sum(), 1))
        own = (found.weights[~lucky], found.covariance[np.ix_(~lucky, ~lucky)], luck)
        mean, slope, _ = _forecast(everywhere, *own)
        gradient = slope @ everywhere / len(everywhere)
        arms.append((*own, mean.mean(), np.sqrt(gradient @ own[1] @ gradient)))
    weights, covariance, lucks, means, errors = map(np.array, zip(*arms, strict=True))
    return ColdStart(
        centres=centres,
        middle=middle,
        weights=weights,
        covariance=covariance,
        luck=lucks,
        mean=means,
        error=errors,
        centre=np.zeros(len(arms)),
        contrast=np.ones(len(arms)),
    )


def _places(vectors: Vectors, centres: NDArray[np.float32]) -> FloatMatrix:
    return membership(vectors, centres, _N_NEAREST, _SHARPNESS)
