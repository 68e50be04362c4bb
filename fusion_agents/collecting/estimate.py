"""What a collection would make and cost, before anything is asked."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from fusion_agents.collecting.budget import Forecast
from fusion_agents.collecting.planning import Planner
from fusion_agents.pool.pool import Pool
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.types import Arm, Dollars, Query


@dataclass(kw_only=True)
class ArmEstimate:
    """The calls of one arm."""

    arm: Arm
    calls: int = 0
    """That are left to make."""
    input_tokens: int = 0
    output_tokens: int = 0
    dollars: Dollars | None = None
    """None where the prices are not known."""


@dataclass(kw_only=True)
class Estimate:
    """All planned calls."""

    arms: dict[Arm, ArmEstimate] = field(default_factory=dict)
    already: Counter[str] = field(default_factory=Counter)
    """Planned calls that need not be made: `answered`, `kept_errors`, `repeated`."""

    @property
    def calls(self) -> int:
        """Calls that are left to make."""
        return sum(one.calls for one in self.arms.values())

    @property
    def dollars(self) -> Dollars:
        """Of arms whose prices are known."""
        return sum(one.dollars or 0.0 for one in self.arms.values())

    @property
    def unpriced(self) -> list[str]:
        """Models whose prices are not known."""
        missing = (one.arm.model for one in self.arms.values() if one.calls and one.dollars is None)
        return sorted(set(missing))


def estimate(
    pool: Pool,
    arms: Sequence[Arm],
    queries: Iterable[Query],
    log: RoutingLog,
    *,
    samples: int = 1,
    retry_errors: bool = True,
) -> Estimate:
    """Plan a whole collection without making a call.

    Input tokens are counted as one for four bytes; output tokens are the mean of an arm's answers
    in the log, or 500 where it has fewer than five, or less where `max_tokens` says so.
    """
    ledger = log.ledger
    planner = Planner(pool, ledger, queries, samples=samples, retry_errors=retry_errors)
    forecast = Forecast(pool, ledger.answer_tokens())
    found = Estimate(arms={arm: ArmEstimate(arm=arm) for arm in arms})
    by_model: dict[str, list[Arm]] = {}
    for arm in arms:
        by_model.setdefault(arm.model, []).append(arm)
    for own in by_model.values():
        for chunk in planner.chunks(own):
            found.already["answered"] += chunk.answered
            found.already["kept_errors"] += chunk.kept_errors
            found.already["repeated"] += chunk.repeated
            for call in chunk.calls:
                one = found.arms[call.arm]
                one.calls += 1
                one.input_tokens += call.prompt_tokens
                one.output_tokens += forecast.tokens(call.arm)
                if pool.prices(call.arm.model) is not None:
                    one.dollars = (one.dollars or 0.0) + forecast.dollars(call)
    return found
