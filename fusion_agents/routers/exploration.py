"""Trying other arms on purpose, with a known probability, so that the log can tell what they do."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError
from scipy.special import ndtr

from fusion_agents.errors import ConfigError
from fusion_agents.objective import Objective
from fusion_agents.outcomes import FloatMatrix, IntVector
from fusion_agents.routers.interfaces import BoolVector, Decisions, Forecast
from fusion_agents.types import Noun

Method = Literal["epsilon", "thompson"]

_EVEN_SHARE = 0.2
"""Part of Thompson exploration that is spread evenly, so that no allowed arm is left untried."""

_POINTS = np.linspace(-4.0, 4.0, 25)
"""Where distribution functions are looked at, in standard errors from each arm's mean."""

_CELLS = 2_000_000
"""Most numbers held at a time while probabilities are computed."""

_NARROWEST = 1e-9
"""Standard error that stands for none, far below any difference that decides."""


class Exploration(Noun):
    """How often, and how, to choose another arm than the best one.

    With probability `rate` the arm is drawn from a distribution over the arms that may be chosen;
    otherwise the router's choice stands. So each arm's propensity is known exactly, and no allowed
    arm's is zero.

    * `epsilon`: drawn evenly.
    * `thompson`: four fifths by the probability that the arm is the best one under independent
      normal utilities with the forecast's standard errors (Thompson, 1933), one fifth evenly.

    The draw is a hash of `seed` and a key of the decision, such as the key of the turn, so a retry
    or a resume chooses the same arm.

    >>> Exploration.parse("thompson:0.1").rate
    0.1
    """

    rate: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] = 0.05
    """Probability of drawing, in (0, 1]."""
    method: Method = "epsilon"
    seed: int = 0

    @classmethod
    def parse(cls, value: "str | float | Exploration | None") -> "Exploration | None":
        """Read a rate, a method, or `method:rate`; none and 0 mean no exploration.

        Raises:
            ConfigError: If it is none of these.
        """
        if value is None or isinstance(value, Exploration):
            return value
        method, _, rate = str(value).rpartition(":")
        if rate in ("epsilon", "thompson"):
            method, rate = rate, "0.05"
        try:
            if float(rate) == 0:
                return None
            return cls.model_validate({"rate": float(rate), "method": method or "epsilon"})
        except (ValueError, ValidationError) as error:
            raise ConfigError(
                f"cannot read exploration {value!r}: give a rate above 0 and up to 1, such as "
                "0.05, or 'thompson:0.05'"
            ) from error

    def explore(self, decisions: Decisions, keys: Sequence[str], objective: Objective) -> Decisions:
        """Put a drawn arm first where the draw falls on exploring.

        The other arms keep their order behind it, so a fallback goes to the best of the rest.

        Args:
            decisions: What the router decided under `objective`; arms whose utility is NaN are
                never drawn.
            keys: Names each decision; the same key gives the same draw.
            objective: For the weights of the forecast's standard errors.

        Returns:
            The decisions with the propensity of every arm, shape (n_queries, n_arms).
        """
        drawn_from = self.distribution(decisions, objective)
        draws = np.array([self._draw(key) for key in keys], dtype=np.float64)
        explored = draws < self.rate
        tried = _pick(drawn_from, draws / self.rate)
        choice = np.where(explored, tried, decisions.choice)
        propensities = (1 - self.rate) * chosen_before(decisions) + self.rate * drawn_from
        rows = np.arange(len(choice))
        return replace(
            decisions,
            order=_first(decisions.order, choice),
            propensity=propensities[rows, choice],
            propensities=propensities,
            reasons=self._reasons(decisions, choice),
        )

    def distribution(self, decisions: Decisions, objective: Objective) -> FloatMatrix:
        """What is drawn from when exploring, shape (n_queries, n_arms); rows sum to 1."""
        allowed = ~np.isnan(decisions.utilities)
        even: FloatMatrix = allowed / np.maximum(allowed.sum(axis=1, keepdims=True), 1)
        if self.method == "epsilon":
            return even
        best = chance_of_being_best(
            decisions.utilities, spread_of_utility(decisions.forecast, objective)
        )
        mixed: FloatMatrix = _EVEN_SHARE * even + (1 - _EVEN_SHARE) * best
        return mixed

    def _draw(self, key: str) -> float:
        text = f"explore\n{self.seed}\n{key}".encode("utf-8", "surrogatepass")
        return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest()[:6], "big") / 2**48

    def _reasons(self, decisions: Decisions, choice: IntVector) -> tuple[str, ...]:
        tried = f"tried on purpose ({self.method}, {self.rate:.1%} of the queries), instead of "
        arms = decisions.forecast.arms
        return tuple(
            reason if new == old else f"{tried}{arms[old]}: {reason}"
            for reason, new, old in zip(
                decisions.reasons, choice.tolist(), decisions.choice.tolist(), strict=True
            )
        )


def chosen_before(decisions: Decisions) -> FloatMatrix:
    """Probability with which a router chooses each arm by itself, shape (n_queries, n_arms)."""
    if decisions.propensities is not None:
        return decisions.propensities
    certain = np.zeros(decisions.utilities.shape)
    certain[np.arange(len(certain)), decisions.choice] = 1.0
    return certain


def spread_of_utility(forecast: Forecast, objective: Objective) -> FloatMatrix:
    """Standard error of each arm's expected utility, shape (n_queries, n_arms).

    That of performance and judge score, taken to be independent; costs and latencies are taken to
    be known. NaN where a standard error that counts is not known.
    """
    variance = np.zeros(forecast.performance.shape)
    for weight, std in (
        (objective.performance, forecast.performance_std),
        (objective.judge, forecast.judge_std),
    ):
        if weight:
            variance = variance + (weight * std) ** 2
    return np.sqrt(variance)


def chance_of_being_best(mean: FloatMatrix, std: FloatMatrix) -> FloatMatrix:
    """Probability that each arm's utility is the highest one, utilities independent and normal.

    By quadrature, so the same input gives the same figures; errors stay below 0.002 (measured).

    Args:
        mean: Shape (n_queries, n_arms), NaN where the arm may not be chosen: its chance is 0.
        std: Standard errors, same shape; one that is not known counts as the widest of the row.

    >>> chance_of_being_best(np.array([[0.5, 0.5, np.nan]]), np.full((1, 3), 0.1)).round(6).tolist()
    [[0.5, 0.5, 0.0]]
    """
    n_arms = mean.shape[1]
    step = max(1, _CELLS // max(1, n_arms * n_arms * len(_POINTS)))
    parts = [_chances(mean[i : i + step], std[i : i + step]) for i in range(0, len(mean), step)]
    return np.concatenate(parts) if parts else np.zeros(mean.shape)


def _chances(mean: FloatMatrix, std: FloatMatrix) -> FloatMatrix:
    """Integrate the others' distribution functions over each arm's own, by the trapezoid rule.

    All arms' points make up one grid for the query, so narrow and wide arms are both resolved.
    """
    allowed = ~np.isnan(mean)
    widest = np.fmax.reduce(np.where(allowed, std, np.nan), axis=1, keepdims=True, initial=0.0)
    width = np.maximum(np.where(np.isnan(std), widest, std), _NARROWEST)[:, :, None]
    level = np.where(allowed, mean, np.fmin.reduce(mean, axis=1, keepdims=True))[:, :, None]
    grid = np.sort((level + width * _POINTS).reshape(len(mean), 1, -1), axis=2)
    below = np.where(allowed[:, :, None], ndtr((grid - level) / width), 1.0)
    below = np.pad(below, ((0, 0), (0, 0), (1, 1)), constant_values=(0.0, 1.0))
    others = _product_of_others(below)
    mass = np.diff(below, axis=2) * (others[:, :, 1:] + others[:, :, :-1])
    chances = np.where(allowed, mass.sum(axis=2), 0.0)
    total = chances.sum(axis=1, keepdims=True)
    scaled: FloatMatrix = np.divide(chances, total, out=np.zeros(mean.shape), where=total > 0)
    return scaled


def _product_of_others(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Product along axis 1 without the own value, also where values are zero."""
    ones = np.ones_like(values[:, :1])
    before = np.cumprod(np.concatenate([ones, values[:, :-1]], axis=1), axis=1)
    after = np.cumprod(np.concatenate([ones, values[:, :0:-1]], axis=1), axis=1)[:, ::-1]
    product: NDArray[np.float64] = before * after
    return product


def _pick(probability: FloatMatrix, draws: NDArray[np.float64]) -> IntVector:
    """Draw an arm for each row; draws lie in [0, 1), those beyond that are not used."""
    edges = probability.cumsum(axis=1)
    passed: BoolVector = edges <= np.minimum(draws, 1.0)[:, None] * edges[:, -1:]
    last = probability.shape[1] - 1 - np.argmax(probability[:, ::-1] > 0, axis=1)
    picked: IntVector = np.minimum(passed.sum(axis=1), last)
    return picked


def _first(order: IntVector, choice: IntVector) -> IntVector:
    """Put an arm first in each row and keep the order of the others."""
    behind = np.argsort(order != choice[:, None], axis=1, kind="stable")
    moved: IntVector = np.take_along_axis(order, behind, axis=1)
    return moved
