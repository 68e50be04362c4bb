"""Whether a conversation should go on with another model: the gain against the lost cache."""

from collections.abc import Mapping
from math import hypot, inf
from typing import NamedTuple

from fusion_agents.objective import Objective, Scale
from fusion_agents.types import Arm, ArmForecast, Dollars, Route

MILLION = 1e6


class Held(NamedTuple):
    """A conversation that a model has read: what moving it to another one would lose."""

    arm: Arm
    """Who answered last."""
    tokens: int
    """Length of the conversation before the new question."""


class Price(NamedTuple):
    """What a model reads for, in dollars per million tokens; none where it is not known."""

    input: Dollars | None = None
    cached: Dollars | None = None
    """Of tokens that the provider reads from its cache."""


class Verdict(NamedTuple):
    """Who goes on, and why."""

    arm: Arm
    switched: bool
    reason: str
    gain: float | None = None
    """Utility expected beyond that of the arm that answered last; none if it is not known."""
    threshold: float | None = None
    """What the gain had to exceed; none if no gain was asked for or none could have sufficed."""
    dollars: float | None = None
    """What reading the conversation anew costs; none if no price is known."""


class SwitchRule(NamedTuple):
    """When a new question in a conversation may go to another model.

    An arm `n` takes over from the arm `p` that answered last if

        utility(n) - utility(p) > threshold(n)

    and where several do, the one that exceeds its threshold most. Utilities are those of the
    route for the new question, under its objective. The threshold is 0 for another arm of the
    same model, whose cache is not lost. For another model, it is

        w_cost * lost(n) / width                       if the objective weighs cost
        z * w_performance * sqrt(std(n)^2 + std(p)^2)  if not, or if no price is known

        lost(n) = max(0, tokens * (input_price(n) - cached_price(p)) / 1e6)

    in dollars: the new model reads the conversation so far at its full price, the old one would
    have read it from its cache. `width` is the router's scale of cost, the dollars between its
    cheapest and its dearest arm, which is what `w_cost` is a weight on; where it is not known,
    the spread of the costs forecast for the question. An unknown cached price is `cached_share`
    of the input price; where one model's price is unknown, it is taken for as dear as the other.
    Where the standard errors that the second rule needs are not known, no gain suffices.

    An arm that the objective forbids for the new question (a cap, or not one of its arms; it is
    not in the ranking, or has forecasts and no utility) is left for the route's arm. An arm about
    which nothing is forecast is kept: no gain can be shown.
    """

    z: float = 1.0
    """Standard errors that a gain must exceed where cost is not weighed."""
    cached_share: float = 0.1
    """Price of a token read from a prompt cache, as a share of the input price."""

    def judge(
        self,
        route: Route,
        held: Held,
        objective: Objective,
        prices: Mapping[str, Price],
        scale: Scale | None = None,
    ) -> Verdict:
        """Say who answers the new question."""
        if route.arm == held.arm:
            return Verdict(held.arm, False, f"{held.arm} is the best arm again")
        old = next((f for f in route.ranking if f.arm == held.arm), None)
        if old is None or old.utility is None:
            return _without_utility(route, held.arm, old)
        width = _width(route, scale)
        best: tuple[float, Verdict] | None = None
        for new in route.ranking:
            if new.utility is None or new.arm == held.arm:
                continue
            dollars = self._lost(new.arm, held, prices)
            threshold = self._threshold(new, old, objective, dollars, width)
            gain = new.utility - old.utility
            verdict = _verdict(new.arm, held.arm, gain, threshold, dollars)
            if best is None or gain - threshold > best[0]:
                best = gain - threshold, verdict
        return best[1] if best else Verdict(held.arm, False, "no other arm is allowed")

    def _threshold(
        self,
        new: ArmForecast,
        old: ArmForecast,
        objective: Objective,
        dollars: float | None,
        width: float,
    ) -> float:
        if new.arm.model == old.arm.model:
            return 0.0
        if objective.cost and dollars is not None and width > 0:
            return objective.cost * dollars / width
        if new.performance_std is None or old.performance_std is None or not objective.performance:
            return inf
        return self.z * objective.performance * hypot(new.performance_std, old.performance_std)

    def _lost(self, arm: Arm, held: Held, prices: Mapping[str, Price]) -> float | None:
        if arm.model == held.arm.model:
            return 0.0
        old, new = prices.get(held.arm.model, Price()), prices.get(arm.model, Price())
        full = old.input if new.input is None else new.input
        if full is None:
            return None
        cached = old.cached
        if cached is None:
            cached = self.cached_share * (full if old.input is None else old.input)
        return max(0.0, held.tokens * (full - cached) / MILLION)


def _width(route: Route, scale: Scale | None) -> float:
    if scale is not None and scale.high > scale.low:
        return scale.high - scale.low
    costs = [forecast.cost for forecast in route.ranking if forecast.cost is not None]
    return max(costs) - min(costs) if costs else 0.0


def _without_utility(route: Route, arm: Arm, old: ArmForecast | None) -> Verdict:
    if old and old.performance is old.judge is old.cost is old.latency is None:
        return Verdict(arm, False, f"nothing is forecast of {arm}, so no gain is shown")
    return Verdict(route.arm, True, f"the objective does not allow {arm} for this question")


def _verdict(new: Arm, old: Arm, gain: float, threshold: float, dollars: float | None) -> Verdict:
    switched = gain > threshold
    shown = None if threshold == inf else threshold
    if threshold == inf:
        reason = f"kept {old}: the forecasts do not say how sure they are"
    elif switched:
        reason = f"switched from {old}: gain {gain:.3g} is above {threshold:.3g}"
    else:
        reason = f"kept {old}: gain {gain:.3g} of {new} is not above {threshold:.3g}"
    if dollars and threshold != inf:
        reason += f" (reading the conversation anew costs ${dollars:.2g})"
    return Verdict(new if switched else old, switched, reason, gain, shown, dollars)
