"""The largest model, whatever it costs."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fusion_agents.errors import ConfigError, ObjectiveError
from fusion_agents.objective import Objective
from fusion_agents.routers.base import Router
from fusion_agents.routers.best import ConstantModel
from fusion_agents.routers.interfaces import Batch, Forecast, Sample, Utilities

_SIZE = re.compile(r"(?<![a-z0-9.])(?:(\d+)x)?(\d+(?:\.\d+)?)([mbt])(?![a-z0-9])")
_BILLIONS = {"m": 1e-3, "b": 1.0, "t": 1e3}


@dataclass(kw_only=True)
class LargestRouter(Router):
    """Always the arm with the largest model.

    It follows no objective but its caps. Sizes are read from models' names (`llama-3-70b`,
    `mixtral-8x7b` as 56, `qwen3.5-122B-A10B` as 122) or given. Arms of unknown size come after
    all others, the dearest first; so where no size is known, the dearest arm is chosen. Among
    arms of one size (one model, several strategies) the cheaper one is. Forecasts are the arms'
    means.

    Args:
        sizes: Billions of parameters where the name does not say, such as `gpt-x=1800|tiny=0.5`.
    """

    name = "largest"
    needs_vectors = False
    model = ConstantModel

    sizes: str = ""

    def learn(self, sample: Sample) -> ConstantModel:
        """Average each arm's scores."""
        return ConstantModel.fit(sample.scores)

    def utilities(self, batch: Batch, forecast: Forecast, objective: Objective) -> Utilities:
        """Prefer larger models, then dearer ones.

        Raises:
            ConfigError: If `sizes` cannot be read.
            ObjectiveError: If neither the size nor the cost of any arm is known.
        """
        given = _parse_sizes(self.sizes)
        size = np.array([model_size(arm.model, given) for arm in forecast.arms])
        cost = self.fitted.cost.means
        if np.isnan(size).all() and np.isnan(cost).all():
            raise ObjectiveError(
                "router 'largest' knows neither a model's size nor a cost: give sizes, such as "
                "largest:sizes=gpt-x=1800|tiny=0.5"
            )
        value = np.where(np.isnan(size), _rank(cost), size)
        reason = "largest model" if np.isfinite(size).any() else "dearest arm: no size is known"
        n_queries = len(batch.queries)
        return Utilities(np.tile(value, (n_queries, 1)), (reason,) * n_queries)


def model_size(model: str, given: Mapping[str, float] | None = None) -> float:
    """Billions of parameters of a model, as given or from its name; NaN if neither says.

    >>> model_size("mistralai/Mixtral-8x7B-v0.1"), model_size("smol-360m"), model_size("gpt-4")
    (56.0, 0.36, nan)
    """
    if given and model in given:
        return given[model]
    found = _SIZE.findall(model.lower())
    sizes = [int(times or 1) * float(number) * _BILLIONS[unit] for times, number, unit in found]
    return max(sizes, default=float("nan"))


def _parse_sizes(text: str) -> dict[str, float]:
    try:
        pairs = (pair.rpartition("=") for pair in text.split("|") if pair)
        return {model.strip(): float(size) for model, _, size in pairs}
    except ValueError as error:
        raise ConfigError(
            f"cannot read sizes {text!r}: write model=billions, several separated by |"
        ) from error


def _rank(cost: NDArray[np.float64]) -> NDArray[np.float64]:
    """Below any size, higher for dearer arms; the lowest where the cost is unknown."""
    known = np.nan_to_num(cost, nan=-1.0)
    return (np.searchsorted(np.sort(known), known) - len(cost)).astype(np.float64)
