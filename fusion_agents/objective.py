"""What a good decision is: how performance, cost, judge score and latency are weighed."""

from collections.abc import Mapping
from typing import Annotated, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from fusion_agents.errors import ObjectiveError
from fusion_agents.types import Dollars, Noun, Seconds

Weight = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
FloatArray = NDArray[np.float64]


class Scale(NamedTuple):
    """Maps a quantity to a number without a unit: `low` becomes 0 and `high` becomes 1."""

    low: float
    high: float

    def normalise(self, values: FloatArray) -> FloatArray:
        """Scale `values`; all zero if `low` and `high` coincide or are not known."""
        width = self.high - self.low
        if not width > 0:
            return np.where(np.isnan(values), np.nan, 0.0)
        scaled: FloatArray = (values - self.low) / width
        return scaled


class Scales(NamedTuple):
    """Normalisation constants, learned from training rows only.

    `low` is the mean of the cheapest (fastest) arm and `high` that of the dearest (slowest), so a
    weight on cost is the performance that one would give up to go from the dearest arm to the
    cheapest. A single query may lie outside of [0, 1].
    """

    cost: Scale
    """In dollars."""
    latency: Scale
    """In seconds."""


class Objective(Noun):
    """The weights of the utility and the hard caps, given when routing, not when fitting.

    `utility = performance * p + judge * j - cost * normalised cost - latency * normalised latency`

    The presets `performance-first`, `balance`, `cost-first` and `judge` carry the weights of
    FusionFactory (arXiv 2507.10540, section 4).

    >>> Objective.parse("balance").cost
    0.5
    >>> Objective.parse("performance=1,cost=0.3,max_cost=0.01").max_cost
    0.01
    """

    name: str = "custom"
    performance: Weight = 0.0
    """Weight of the task metric."""
    cost: Weight = 0.0
    """Weight of the normalised cost."""
    judge: Weight = 0.0
    """Weight of the judge score."""
    latency: Weight = 0.0
    """Weight of the normalised latency."""
    max_cost: Dollars | None = None
    """Arms whose expected cost for the query is above this many dollars may not be chosen."""
    max_latency: Seconds | None = None
    """Arms whose expected latency is above this many seconds may not be chosen."""
    arms: tuple[str, ...] | None = None
    """Arms that may be chosen, as `model@strategy`, or `model` for all its strategies."""

    @classmethod
    def parse(cls, text: "str | Objective") -> "Objective":
        """Read a preset's name, `key=value` pairs, or a preset followed by pairs.

        Pairs are separated by commas; several arms by `|`.

        Raises:
            ObjectiveError: If it is no text, a name is unknown or a value is not a number in its
                range.
        """
        if isinstance(text, Objective):
            return text
        if not isinstance(text, str):
            raise ObjectiveError(
                "an objective is a text such as 'balance' or 'performance=1,cost=0.3', "
                f"not {text!r}"
            )
        head, *rest = text.split(",") if text else [""]
        if "=" in head:
            values: dict[str, object] = {"name": text}
            rest = [head, *rest]
        elif head.strip() in PRESETS:
            preset = PRESETS[head.strip()]
            if not rest:
                return preset
            values = {**preset.model_dump(), "name": text}
        else:
            raise ObjectiveError(
                f"unknown objective {head!r}: use one of {', '.join(PRESETS)}, or weights such as "
                "'performance=1,cost=0.3,max_cost=0.01'"
            )
        for pair in rest:
            key, equals, value = (part.strip() for part in pair.partition("="))
            if not equals or key not in cls.model_fields or key == "name":
                known = ", ".join(name for name in cls.model_fields if name != "name")
                raise ObjectiveError(f"cannot read {pair!r} in objective {text!r}: known: {known}")
            values[key] = tuple(value.split("|")) if key == "arms" else value
        return cls._checked(values, text)

    @classmethod
    def _checked(cls, values: Mapping[str, object], text: str) -> Self:
        try:
            objective = cls.model_validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise ObjectiveError(f"objective {text!r}: {where}: {first['msg'].lower()}") from error
        if not (objective.performance or objective.judge or objective.cost or objective.latency):
            raise ObjectiveError(f"objective {text!r} weighs nothing: give a weight above 0")
        return objective

    def utility(
        self,
        scales: Scales,
        *,
        performance: FloatArray,
        judge: FloatArray,
        cost: FloatArray,
        latency: FloatArray,
    ) -> FloatArray:
        """Weigh outcomes or forecasts of any shape.

        A term with weight 0 does not count; a term that is weighed but not known (NaN) makes the
        utility NaN: unknown is neither free nor worthless.
        """
        total: FloatArray = np.zeros(np.shape(performance))
        if self.performance:
            total = total + self.performance * performance
        if self.judge:
            total = total + self.judge * judge
        if self.cost:
            total = total - self.cost * scales.cost.normalise(cost)
        if self.latency:
            total = total - self.latency * scales.latency.normalise(latency)
        return total


PRESETS: dict[str, Objective] = {
    objective.name: objective
    for objective in (
        Objective(name="performance-first", performance=1.0),
        Objective(name="balance", performance=0.5, cost=0.5),
        Objective(name="cost-first", performance=0.2, cost=0.8),
        Objective(name="judge", judge=1.0),
    )
}
