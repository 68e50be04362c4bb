"""From utilities to an order of the arms, and from there to evidence that a person can read."""

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache

import numpy as np
from pydantic import TypeAdapter

from fusion_agents.errors import ObjectiveError
from fusion_agents.outcomes import FloatMatrix, IntVector
from fusion_agents.routers.interfaces import Decisions
from fusion_agents.types import Arm, ArmForecast

TIE = 1e-9
"""Utilities within this distance of the best one are equal to it."""


def named(
    arms: Sequence[Arm], names: Sequence[str]
) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    """Which arms are meant by names such as `model@strategy` or `model`."""
    for name in names:
        if not any(name in (arm.model, str(arm)) for arm in arms):
            known = ", ".join(map(str, arms))
            raise ObjectiveError(f"the objective allows {name!r}, which is no arm of {known}")
    return np.array([arm.model in names or str(arm) in names for arm in arms])


def order_arms(values: FloatMatrix, cost: FloatMatrix, performance: FloatMatrix) -> IntVector:
    """Order arms, best first: by utility, then cost, then mean performance; NaN comes last."""
    utility = np.where(np.isnan(values), -np.inf, values)
    best = utility.max(axis=1, keepdims=True, initial=-np.inf)
    utility = np.where(utility >= best - TIE, best, utility)
    price = np.where(np.isnan(cost), np.inf, cost)
    mean = np.broadcast_to(np.nan_to_num(performance, nan=-np.inf), values.shape)
    order: IntVector = np.lexsort((-mean, price, -utility), axis=-1)
    return order


def _nullable(values: FloatMatrix) -> list[list[float | None]]:
    """Rows of numbers, none where NaN."""
    cells = values.astype(object)
    cells[np.isnan(values)] = None
    rows: list[list[float | None]] = cells.tolist()
    return rows


def rankings(decisions: Decisions) -> Iterator[tuple[ArmForecast, ...]]:
    """Every arm's evidence for each query, best first; NaN becomes none."""
    forecast = decisions.forecast
    columns = (
        forecast.performance,
        forecast.performance_std,
        forecast.judge,
        forecast.cost,
        forecast.latency,
        decisions.utilities,
    )
    cells = [_nullable(np.take_along_axis(c, decisions.order, axis=1)) for c in columns]
    read = _reader().validate_python
    for order, *rows in zip(decisions.order.tolist(), *cells, strict=True):
        yield read(
            [
                {
                    "arm": forecast.arms[arm],
                    "performance": performance,
                    "performance_std": std,
                    "judge": judge,
                    "cost": cost,
                    "latency": latency,
                    "utility": utility,
                }
                for arm, performance, std, judge, cost, latency, utility in zip(
                    order, *rows, strict=True
                )
            ]
        )


@contextmanager
def collector_paused() -> Iterator[None]:
    """Leave the garbage collector out while very many objects are made, none of them garbage.

    For 5,000 queries and 40 arms, it would otherwise take two thirds of the time, looking at the
    same objects again and again.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@cache
def _reader() -> TypeAdapter[tuple[ArmForecast, ...]]:
    """Makes all forecasts of a query in one call, which takes a third of the time."""
    return TypeAdapter(tuple[ArmForecast, ...])
