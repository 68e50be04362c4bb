"""Arms with a few dozen answers: what they score is read off the arms that the log knows well."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fusion_agents.encoders.base import Vectors
from fusion_agents.outcomes import FloatMatrix, IntVector
from fusion_agents.routers.heads.latent import membership, spherical_k_means
from fusion_agents.routers.heads.sharing import (
    ARM_LUCK,
    LUCK,
    MEAN,
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
from fusion_agents.routers.largest import model_size
from fusion_agents.types import ModelCard

MOST_ANSWERS = 200
"""An arm with more scores than this is learned like any other."""
LEAST_RATIO = 4
"""So many times more scores than a new arm has the arm with the most of them."""

_N_CLUSTERS = 16
_N_NEAREST = 4
_SHARPNESS = 9.0
_LEAST_CARDS = 4
"""Established arms with a figure, for the figure to be used."""

Cards = Sequence[ModelCard | None]


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

    def __post_init__(self) -> None:
        """Refuse arrays that do not belong together, as a damaged file may hold."""
        n_new, n_features = self.weights.shape
        if n_features != 2 + len(self.middle) + len(self.centres):
            raise ValueError("weights of new arms and what they weigh differ in number")
        if self.covariance.shape != (n_new, n_features, n_features) or len(self.luck) != n_new:
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
        variance = [((x @ covariance) * x).sum(axis=1) for covariance in self.covariance]
        spread = np.maximum(np.stack(variance, axis=1), 0.0)
        flatter = 1 / np.sqrt(1 + np.pi / 8 * (spread + self.luck))
        mean = 1 / (1 + np.exp(-(x @ self.weights.T) * flatter))
        return Estimate(mean, mean * (1 - mean) * flatter * np.sqrt(spread))


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
    return FittedColdStart(model, out_of_fold)


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
    weights, covariance, luck = [], [], []
    for column, prior in zip(scores.T, priors, strict=True):
        rows = ~np.isnan(column)
        x = all_features(known.take(rows), middle)
        found = solve_new(x, column[rows], prior, groups)
        weights.append(found.weights[~lucky])
        covariance.append(found.covariance[np.ix_(~lucky, ~lucky)])
        luck.append(((x[:, lucky] @ found.weights[lucky]) ** 2).sum() / max(rows.sum(), 1))
    return ColdStart(centres, middle, np.array(weights), np.array(covariance), np.array(luck))


def _places(vectors: Vectors, centres: NDArray[np.float32]) -> FloatMatrix:
    return membership(vectors, centres, _N_NEAREST, _SHARPNESS)


# -- cards ----------------------------------------------------------------------------------


def card_priors(prior: Prior, middle: FloatVector, known: Cards, new: Cards) -> list[Prior]:
    """Expect each new arm's mean from price and size, as far as these tell the others' means.

    For each new arm, the figures that its card and those of four established arms have are used:
    the logarithms of price and size (billions of parameters as given, or as the description says).
    A ridge regression of the established arms' means on them, with one pseudo-arm, replaces the
    prior's mean if it predicts arms left out better than their average does, and the prior's
    variance shrinks as much as it predicts them better.
    """
    table = np.array([_figures(card) for card in known])
    return [_with_card(prior, middle, table, np.array(_figures(card))) for card in new]


def _figures(card: ModelCard | None) -> tuple[float, float]:
    if card is None:
        return (np.nan, np.nan)
    prices = [p for p in (card.input_price, card.output_price) if p is not None and p > 0]
    size = model_size(card.description) if card.size is None else card.size
    return (float(np.log(sum(prices))) if prices else np.nan, float(np.log(size)))


def _with_card(prior: Prior, middle: FloatVector, table: FloatMatrix, own: FloatVector) -> Prior:
    used = ~np.isnan(own)
    rows = ~np.isnan(table[:, used]).any(axis=1)
    if not used.any() or rows.sum() < _LEAST_CARDS:
        return prior
    x, y = table[rows][:, used], middle[rows]
    blind, plain = (
        np.mean([(y[i] - expect(x, y, i, x[i])) ** 2 for i in range(len(y))])
        for expect in (_regressed, _averaged)
    )
    if not blind < plain:
        return prior
    mean, variance = prior.mean.copy(), prior.variance.copy()
    # the mean weight is that of a query at which the others' forecasts are at their means
    mean[MEAN] += _regressed(x, y, None, own[used]) - y.mean()
    variance[MEAN] *= blind / plain
    return Prior(mean, variance, prior.dispersion)


def _averaged(x: FloatMatrix, y: FloatVector, without: int | None, at: FloatVector) -> float:
    return float(np.delete(y, [] if without is None else without).mean())


def _regressed(x: FloatMatrix, y: FloatVector, without: int | None, at: FloatVector) -> float:
    dropped = [] if without is None else [without]
    x, y = np.delete(x, dropped, axis=0), np.delete(y, dropped)
    centre, scale = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-9)
    unit = (x - centre) / scale
    weights = np.linalg.solve(unit.T @ unit + np.eye(x.shape[1]), unit.T @ (y - y.mean()))
    return float(y.mean() + ((at - centre) / scale) @ weights)
