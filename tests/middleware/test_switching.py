from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion_agents.middleware.switching import Held, Price, SwitchRule, Verdict
from fusion_agents.objective import Objective, Scale
from fusion_agents.types import Arm, ArmForecast, Route

OLD, NEW, OTHER = Arm(model="old"), Arm(model="new"), Arm(model="other")
COSTLY = Objective(performance=1.0, cost=0.5)
FREE = Objective(performance=1.0)
PRICES = {"old": Price(1.0, 0.1), "new": Price(2.0)}
SCALE = Scale(0.0, 0.01)


def forecast(arm: Arm, utility: float | None, **known: Any) -> ArmForecast:
    return ArmForecast(arm=arm, utility=utility, **{"performance": 0.5, **known})


def route(*forecasts: ArmForecast) -> Route:
    ranking = tuple(sorted(forecasts, key=lambda f: 1.0 if f.utility is None else -f.utility))
    return Route(
        arm=ranking[0].arm,
        ranking=ranking,
        objective="custom",
        router="r",
        router_version="1",
        reason="",
    )


def judge(
    made: Route,
    tokens: int = 1000,
    objective: Objective = COSTLY,
    prices: Any = PRICES,
    scale: Scale | None = SCALE,
    rule: SwitchRule | None = None,
) -> Verdict:
    return (rule or SwitchRule()).judge(made, Held(OLD, tokens), objective, prices, scale)


def test_the_best_arm_goes_on_if_it_is_the_one_that_answered() -> None:
    verdict = judge(route(forecast(OLD, 0.9), forecast(NEW, 0.1)))
    assert (verdict.arm, verdict.switched) == (OLD, False)


def test_the_threshold_is_what_reading_anew_costs_on_the_routers_scale() -> None:
    verdict = judge(route(forecast(OLD, 0.5), forecast(NEW, 0.6)), tokens=1000)
    assert verdict.dollars == pytest.approx(1000 * (2.0 - 0.1) / 1e6)
    assert verdict.threshold == pytest.approx(0.5 * 0.0019 / 0.01)
    assert verdict.gain == pytest.approx(0.1)
    assert verdict.arm == NEW
    assert judge(route(forecast(OLD, 0.5), forecast(NEW, 0.6)), tokens=1100).arm == OLD


def test_without_a_scale_the_forecast_costs_of_the_question_are_one() -> None:
    made = route(forecast(OLD, 0.5, cost=0.002), forecast(NEW, 0.6, cost=0.012))
    assert judge(made, scale=None).threshold == pytest.approx(0.5 * 0.0019 / 0.01)


def test_an_unknown_cached_price_is_a_tenth_of_the_input_price() -> None:
    prices = {"old": Price(1.0), "new": Price(2.0)}
    made = route(forecast(OLD, 0.5), forecast(NEW, 0.6))
    assert judge(made, prices=prices).dollars == pytest.approx(1000 * (2.0 - 0.1) / 1e6)
    half = SwitchRule(cached_share=0.5)
    assert judge(made, prices=prices, rule=half).dollars == pytest.approx(0.0015)


@pytest.mark.parametrize("prices", [{"old": Price(2.0)}, {"new": Price(2.0)}])
def test_a_model_without_a_price_is_taken_for_as_dear_as_the_other(prices: Any) -> None:
    made = route(forecast(OLD, 0.5), forecast(NEW, 0.6))
    assert judge(made, prices=prices).dollars == pytest.approx(1000 * (2.0 - 0.2) / 1e6)


def test_a_model_that_reads_for_less_than_the_cache_costs_loses_nothing() -> None:
    prices = {"old": Price(10.0, 1.0), "new": Price(0.5)}
    verdict = judge(route(forecast(OLD, 0.5), forecast(NEW, 0.50001)), prices=prices)
    assert (verdict.dollars, verdict.threshold, verdict.arm) == (0.0, 0.0, NEW)


def test_another_strategy_of_the_same_model_costs_nothing() -> None:
    think = Arm(model="old", strategy="think")
    verdict = judge(route(forecast(OLD, 0.5), forecast(think, 0.501)), tokens=10**6)
    assert (verdict.arm, verdict.threshold) == (think, 0.0)


def test_where_cost_is_not_weighed_the_gain_must_exceed_what_forecasts_are_unsure_of() -> None:
    def verdict(gain: float, z: float = 1.0) -> Verdict:
        made = route(
            forecast(OLD, 0.5, performance_std=0.03),
            forecast(NEW, 0.5 + gain, performance_std=0.04),
        )
        return judge(made, objective=FREE, rule=SwitchRule(z=z))

    assert verdict(0.1).threshold == pytest.approx(0.05)
    assert (verdict(0.06).arm, verdict(0.04).arm, verdict(0.06, z=2.0).arm) == (NEW, OLD, OLD)


def test_without_any_price_the_same_is_asked_for() -> None:
    made = route(
        forecast(OLD, 0.5, performance_std=0.03), forecast(NEW, 0.54, performance_std=0.04)
    )
    verdict = judge(made, prices={})
    assert (verdict.arm, verdict.dollars) == (OLD, None)


def test_without_standard_errors_no_gain_suffices() -> None:
    verdict = judge(route(forecast(OLD, 0.1), forecast(NEW, 0.9)), objective=FREE)
    assert (verdict.arm, verdict.threshold) == (OLD, None)
    assert "do not say how sure they are" in verdict.reason


def test_of_several_arms_the_one_that_exceeds_its_threshold_most_takes_over() -> None:
    prices = {**PRICES, "new": Price(100.0), "other": Price(0.2)}
    made = route(forecast(OLD, 0.2), forecast(NEW, 0.9), forecast(OTHER, 0.8))
    assert judge(made, prices=prices).arm == OTHER


@pytest.mark.parametrize(
    "made",
    [
        route(forecast(NEW, 0.1), forecast(OLD, None, cost=0.9)),
        route(forecast(NEW, 0.1), forecast(OTHER, 0.05)),
    ],
)
def test_an_arm_that_the_objective_forbids_does_not_go_on(made: Route) -> None:
    verdict = judge(made, tokens=10**9)
    assert (verdict.arm, verdict.switched) == (NEW, True)
    assert "does not allow old@direct" in verdict.reason


def test_an_arm_of_which_nothing_is_forecast_goes_on() -> None:
    assert judge(route(forecast(NEW, 0.9), ArmForecast(arm=OLD)), tokens=0).arm == OLD


@given(
    st.floats(0, 1),
    st.floats(0, 1),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
    st.floats(0, 10),
)
def test_a_longer_conversation_never_makes_a_switch_likelier(
    old: float, new: float, tokens: int, more: int, price: float
) -> None:
    made = route(forecast(OLD, old), forecast(NEW, new))
    prices = {"old": Price(1.0), "new": Price(price)}
    if judge(made, tokens=tokens + more, prices=prices).switched:
        assert judge(made, tokens=tokens, prices=prices).switched


@given(st.floats(0, 1), st.floats(0, 1), st.integers(0, 10**6))
def test_nobody_takes_over_without_a_gain(old: float, new: float, tokens: int) -> None:
    verdict = judge(route(forecast(OLD, old), forecast(NEW, new)), tokens=tokens)
    assert not verdict.switched or new > old
