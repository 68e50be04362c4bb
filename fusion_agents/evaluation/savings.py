"""Money saved at equal quality, with the weight on cost chosen without looking at the test."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from fusion_agents.evaluation.assess import assess
from fusion_agents.evaluation.contenders import Contender, in_order_of
from fusion_agents.evaluation.curve import Setting, Sweep, quality_name, sweep
from fusion_agents.evaluation.holdout import HeldOut
from fusion_agents.evaluation.measures import Measure, measures_of
from fusion_agents.evaluation.report import Difference, Saving
from fusion_agents.objective import Objective
from fusion_agents.outcomes import Outcomes
from fusion_agents.routers.interfaces import Batch, Forecast
from fusion_agents.routers.statistics import arm_means

TOLERANCES = (0.0, 0.003, 0.005, 0.01)
"""Quality that one is ready to give up."""


@runtime_checkable
class CrossFitted(Protocol):
    """A router that can forecast its own training queries honestly."""

    def out_of_fold(self, outcomes: Outcomes) -> Forecast | None:
        """Forecast each training query by a model that was fitted without it, if at hand."""


@dataclass(frozen=True, eq=False)
class Market:
    """What savings are counted on."""

    held_out: HeldOut
    measures: Mapping[str, Measure]
    """On the test queries."""
    n_bootstrap: int
    seed: int

    def savings(self, contender: Contender, on_test: Sweep) -> tuple[Saving, ...]:
        """One saving for each tolerance; nothing if the single arm's cost is not known."""
        quality = quality_name(self.measures)
        means = arm_means(getattr(self.held_out.train, quality))
        best = int(np.nanargmax(means))
        always = self._always(best, quality, self.held_out.test, self.measures)
        on_train = self._sweep_train(contender)
        if on_train is None:
            chooser, reference = on_test, always
        else:
            chooser = on_train
            train = self.held_out.train
            measures = measures_of(train, _quality_only(quality), train.scales(), None)
            reference = self._always(best, quality, train, measures)
        settings = {setting.weight: setting for setting in on_test.settings}
        found = []
        for tolerance in TOLERANCES:
            weight = _cheapest(chooser, reference.quality - tolerance)
            saving = Saving(
                router=contender.name,
                tolerance=tolerance,
                chosen_on="test, in hindsight" if on_train is None else "train, out of fold",
                weight=None,
                performance=None,
                cost=None,
            )
            if weight is not None and weight in settings:
                figures = self._compare(settings[weight], always, quality)
                saving = saving.model_copy(update=figures)
            found.append(saving)
        return tuple(found)

    def _always(
        self, arm: int, quality: str, outcomes: Outcomes, measures: Mapping[str, Measure]
    ) -> Setting:
        choice = np.full(outcomes.n_queries, arm)
        values = [measures[name].terms(choice).value for name in (quality, "cost")]
        return Setting(0.0, choice, *values)

    def _sweep_train(self, contender: Contender) -> Sweep | None:
        """Sweep over the training queries by out-of-fold forecasts, if the router has them."""
        if not isinstance(contender.router, CrossFitted) or contender.encoded is None:
            return None
        train = self.held_out.train
        forecast = contender.router.out_of_fold(train)
        if forecast is None:
            return None
        quality = quality_name(self.measures)
        aligned = in_order_of(train.arms, forecast)
        measures = measures_of(train, _quality_only(quality), train.scales(), aligned)
        batch = Batch(train.queries, contender.encoded.encoding.vectors)
        return sweep(contender, train, batch, forecast, measures)

    def _compare(self, setting: Setting, baseline: Setting, quality: str) -> dict[str, object]:
        """Test figures of a setting beside those of always choosing one arm."""
        differences: dict[str, Difference] = {}
        for name, field in ((quality, "vs_best"), ("cost", "saved")):
            assessed = assess(
                self.measures[name],
                [self.measures[name].terms(s.choice) for s in (setting, baseline)],
                self.held_out.groups,
                n_bootstrap=self.n_bootstrap,
                seed=self.seed,
            )
            compare = assessed.ratio_saved if name == "cost" else assessed.difference
            differences[field] = compare(0, 1)
        return {
            "weight": setting.weight,
            "performance": setting.quality,
            "cost": setting.cost,
            **differences,
        }


def _quality_only(quality: str) -> Objective:
    return Objective(name=quality, **{quality: 1.0})


def _cheapest(sweep: Sweep, floor: float) -> float | None:
    """Weight of the cheapest setting whose quality reaches the floor."""
    able = [s for s in sweep.settings if s.quality >= floor - 1e-12]
    return min(able, key=lambda s: (s.cost, -s.quality)).weight if able else None
