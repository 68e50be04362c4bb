import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion_agents.errors import FusionError, ObjectiveError
from fusion_agents.objective import PRESETS, Objective, Scale, Scales

SCALES = Scales(cost=Scale(0.001, 0.011), latency=Scale(1.0, 5.0))
numbers = st.floats(-5, 5)


def utility(objective: Objective, **known: float) -> float:
    values = {"performance": math.nan, "judge": math.nan, "cost": math.nan, "latency": math.nan}
    arrays = {name: np.array([value]) for name, value in {**values, **known}.items()}
    return float(objective.utility(SCALES, **arrays)[0])


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("performance-first", (1.0, 0.0, 0.0)),
        ("balance", (0.5, 0.5, 0.0)),
        ("cost-first", (0.2, 0.8, 0.0)),
        ("judge", (0.0, 0.0, 1.0)),
    ],
)
def test_presets_carry_the_weights_of_the_paper(
    name: str, weights: tuple[float, float, float]
) -> None:
    preset = Objective.parse(name)
    assert (preset.performance, preset.cost, preset.judge) == weights
    assert preset.name == name
    assert PRESETS[name] is preset


def test_weights_and_caps_are_read_from_pairs() -> None:
    objective = Objective.parse("performance=1, cost=0.3, max_cost=0.01, arms=a@think|b")
    assert objective.performance == 1.0
    assert objective.cost == 0.3
    assert objective.max_cost == 0.01
    assert objective.arms == ("a@think", "b")


def test_pairs_change_a_preset() -> None:
    objective = Objective.parse("balance,max_latency=3,cost=0.1")
    assert (objective.performance, objective.cost, objective.max_latency) == (0.5, 0.1, 3.0)
    assert objective.name == "balance,max_latency=3,cost=0.1"
    assert PRESETS["balance"].cost == 0.5


def test_an_objective_is_passed_through() -> None:
    objective = Objective(performance=2.0)
    assert Objective.parse(objective) is objective


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "unknown objective ''"),
        ("best", "unknown objective 'best'.*performance-first"),
        ("speed=1", "cannot read 'speed=1'.*known: performance"),
        ("name=x", "cannot read 'name=x'"),
        ("performance=high", "performance: .*number"),
        ("performance=-1", "performance: .*greater than or equal to 0"),
        ("performance=nan", "performance: .*finite"),
        ("performance=inf", "performance: .*finite"),
        ("balance,max_cost=-1", "max_cost"),
        ("balance,max_cost", "cannot read 'max_cost'"),
        ("performance=0", "weighs nothing"),
        ("max_cost=1", "weighs nothing"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(text: str, words: str) -> None:
    with pytest.raises(ObjectiveError, match=words) as raised:
        Objective.parse(text)
    assert isinstance(raised.value, FusionError)


def test_utility_weighs_what_is_known() -> None:
    objective = Objective(performance=1.0, judge=0.5, cost=0.2, latency=0.1)
    value = utility(objective, performance=0.8, judge=0.6, cost=0.006, latency=3.0)
    assert value == pytest.approx(0.8 + 0.3 - 0.2 * 0.5 - 0.1 * 0.5)


def test_what_is_not_weighed_need_not_be_known() -> None:
    assert utility(Objective(performance=1.0), performance=0.7) == pytest.approx(0.7)


@pytest.mark.parametrize("missing", ["performance", "judge", "cost", "latency"])
def test_what_is_weighed_and_not_known_makes_the_utility_unknown(missing: str) -> None:
    objective = Objective(performance=1.0, judge=1.0, cost=1.0, latency=1.0)
    known = {"performance": 1.0, "judge": 1.0, "cost": 0.002, "latency": 2.0}
    assert not math.isnan(utility(objective, **known))
    assert math.isnan(utility(objective, **{**known, missing: math.nan}))


@given(numbers, st.floats(0.01, 5), numbers)
def test_a_scale_maps_its_ends_to_0_and_1(low: float, width: float, value: float) -> None:
    scale = Scale(low, low + width)
    ends = scale.normalise(np.array([scale.low, scale.high]))
    np.testing.assert_allclose(ends, [0.0, 1.0], atol=1e-9)
    assert scale.normalise(np.array([value]))[0] == pytest.approx((value - low) / width, abs=1e-6)


@pytest.mark.parametrize("scale", [Scale(2.0, 2.0), Scale(math.nan, math.nan)])
def test_a_scale_without_width_makes_everything_equal_but_not_the_unknown(scale: Scale) -> None:
    scaled = scale.normalise(np.array([1.0, 7.0, math.nan]))
    np.testing.assert_array_equal(scaled, [0.0, 0.0, math.nan])


@given(st.floats(0, 10), st.floats(0, 1), st.floats(0, 1))
def test_the_utility_never_rises_with_cost(weight: float, cheap: float, more: float) -> None:
    objective = Objective(performance=1.0, cost=weight)
    low = utility(objective, performance=0.5, cost=cheap)
    high = utility(objective, performance=0.5, cost=cheap + more)
    assert high <= low


@given(st.floats(0.1, 10), st.floats(0, 1), st.floats(0, 1))
def test_the_unit_of_money_changes_no_utility(factor: float, cost: float, p: float) -> None:
    objective = Objective(performance=1.0, cost=0.5)
    rescaled = Scales(Scale(0.001 * factor, 0.011 * factor), SCALES.latency)
    known = {name: np.array([math.nan]) for name in ("judge", "latency")}
    plain = objective.utility(SCALES, performance=np.array([p]), cost=np.array([cost]), **known)
    other = objective.utility(
        rescaled, performance=np.array([p]), cost=np.array([cost * factor]), **known
    )
    np.testing.assert_allclose(plain, other, rtol=1e-6, atol=1e-6)


def test_an_objective_survives_json() -> None:
    objective = Objective.parse("balance,max_cost=0.01,arms=a|b")
    assert Objective.model_validate_json(objective.model_dump_json()) == objective
