"""What the card of a model lets expect of an arm that has hardly answered."""

from collections.abc import Sequence

import numpy as np

from fusion_agents.outcomes import FloatMatrix
from fusion_agents.routers.heads.sharing import MEAN, FloatVector, Prior
from fusion_agents.routers.largest import model_size
from fusion_agents.types import ModelCard

_LEAST_CARDS = 4
"""Established arms with a figure, for the figure to be used."""

Cards = Sequence[ModelCard | None]


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
