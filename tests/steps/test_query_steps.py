"""Which arms are asked, and in which order."""

from typing import Any

import pytest

from fusion_agents.objective import Objective
from fusion_agents.steps.query_steps import ranked
from fusion_agents.steps.turn import Turn
from fusion_agents.types import Arm, ArmForecast, Query, Route

BEST, SECOND, NEW = Arm(model="best"), Arm(model="second"), Arm(model="new")


def asked(*forecasts: ArmForecast, able: tuple[Arm, ...] = (BEST, SECOND, NEW)) -> tuple[Arm, ...]:
    turn = Turn(
        key="1",
        query=Query(text="2 + 2?"),
        messages=[],
        arms=able,
        objective=Objective.parse("performance-first"),
    )
    route = Route(
        arm=BEST,
        ranking=(ArmForecast(arm=BEST, performance=0.9, utility=0.9), *forecasts),
        objective="performance-first",
        router="knn",
        router_version="knn-1",
        reason="because",
    )
    return ranked(turn, route)


def test_the_ranked_arms_come_before_those_of_which_nothing_is_known() -> None:
    known = ArmForecast(arm=SECOND, performance=0.5, utility=0.5)
    assert asked(known, ArmForecast(arm=NEW)) == (BEST, SECOND, NEW)


def test_an_arm_that_is_not_able_is_not_asked() -> None:
    known = ArmForecast(arm=SECOND, performance=0.5, utility=0.5)
    assert asked(known, able=(BEST, NEW)) == (BEST,)


@pytest.mark.parametrize("quantity", ["performance", "judge", "cost", "latency"])
def test_an_arm_that_a_cap_forbids_is_no_fallback_whatever_is_known_of_it(quantity: str) -> None:
    known: dict[str, Any] = {quantity: 0.5}
    assert asked(ArmForecast(arm=SECOND, **known), ArmForecast(arm=NEW)) == (BEST, NEW)
