import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusion_agents.errors import ConfigError
from fusion_agents.objective import Objective
from fusion_agents.routers.best import BestRouter
from fusion_agents.routers.exploration import Exploration, chance_of_being_best
from fusion_agents.routers.interfaces import Decisions
from fusion_agents.routers.random import RandomRouter
from fusion_agents.routers.ridge import RidgeRouter
from fusion_agents.testing.outcomes import make_outcomes

LOG = make_outcomes(80, n_arms=4)
PERFORMANCE = Objective.parse("performance-first")
BEST = BestRouter().fit(LOG)
KEYS = [f"turn {i}" for i in range(4000)]


def decide(n_queries: int, objective: Objective = PERFORMANCE) -> Decisions:
    return BEST.decide([f"question {i}" for i in range(n_queries)], objective)


def test_the_best_arm_keeps_what_is_not_explored() -> None:
    explored = Exploration(rate=0.2).explore(decide(1), KEYS[:1], PERFORMANCE)
    assert explored.propensities is not None
    assert sorted(explored.propensities[0].round(12).tolist()) == [0.05, 0.05, 0.05, 0.85]


@pytest.mark.parametrize("method", ["epsilon", "thompson"])
def test_arms_are_drawn_as_often_as_their_propensity_says(method: str) -> None:
    exploration = Exploration.parse(f"{method}:0.5")
    assert exploration is not None
    explored = exploration.explore(decide(len(KEYS)), KEYS, PERFORMANCE)
    assert explored.propensities is not None
    shares = np.bincount(explored.choice, minlength=4) / len(KEYS)
    assert np.abs(shares - explored.propensities[0]).max() < 0.025
    rows = np.arange(len(KEYS))
    np.testing.assert_array_equal(explored.propensity, explored.propensities[rows, explored.choice])


@pytest.mark.parametrize("method", ["epsilon", "thompson"])
def test_every_allowed_arm_may_be_tried_and_no_other(method: str) -> None:
    held = Objective(performance=1.0, arms=("model-0", "model-2"))
    exploration = Exploration.parse(f"{method}:0.1")
    assert exploration is not None
    explored = exploration.explore(decide(len(KEYS), held), KEYS, held)
    allowed = ~np.isnan(explored.utilities)
    assert explored.propensities is not None
    assert (explored.propensities[~allowed] == 0).all()
    assert (explored.propensities[allowed] >= 0.1 * 0.2 / 2 - 1e-12).all()
    np.testing.assert_allclose(explored.propensities.sum(axis=1), 1.0)
    assert set(np.unique(explored.choice)) == set(np.flatnonzero(allowed[0]).tolist())


def test_the_same_key_is_drawn_for_alike_and_another_seed_differs() -> None:
    decisions = decide(len(KEYS))
    first, again, other = (
        Exploration(rate=0.5, seed=seed).explore(decisions, KEYS, PERFORMANCE).choice
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_the_key_alone_decides_the_draw_whatever_the_batch() -> None:
    exploration = Exploration(rate=0.5)
    together = exploration.explore(decide(50), KEYS[:50], PERFORMANCE).choice
    alone = [exploration.explore(decide(1), [key], PERFORMANCE).choice[0] for key in KEYS[:50]]
    assert together.tolist() == alone


def test_the_other_arms_keep_their_order_behind_the_one_that_is_tried() -> None:
    decisions = decide(len(KEYS))
    explored = Exploration(rate=1.0).explore(decisions, KEYS, PERFORMANCE)
    for before, after in zip(decisions.order[:40], explored.order[:40], strict=True):
        assert after[1:].tolist() == [arm for arm in before if arm != after[0]]


def test_a_route_says_that_an_arm_was_tried_on_purpose() -> None:
    decisions = decide(40)
    explored = Exploration(rate=1.0).explore(decisions, KEYS[:40], PERFORMANCE)
    routes = BEST.routes_of(explored, PERFORMANCE)
    tried = [route for route in routes if "tried on purpose" in route.reason]
    assert 0 < len(tried) < 40
    assert all(route.propensity == pytest.approx(0.25) for route in routes)
    assert all(route.ranking[0].arm == route.arm for route in routes)


def test_a_router_that_draws_by_itself_has_its_own_draw_counted() -> None:
    decisions = RandomRouter().fit(LOG).decide(["a", "b", "c"])
    explored = Exploration(rate=0.3).explore(decisions, KEYS[:3], PERFORMANCE)
    np.testing.assert_allclose(explored.propensities, 0.25)


def test_thompson_tries_the_arms_that_may_be_the_best_more_often() -> None:
    decisions = RidgeRouter().fit(LOG).decide(LOG.queries[:20])
    best = Exploration(method="thompson").distribution(decisions, PERFORMANCE)
    row = np.arange(20)
    runner_up, last = best[row, decisions.order[:, 1]], best[row, decisions.order[:, 3]]
    assert runner_up.mean() > last.mean()


def test_two_arms_are_compared_like_the_normal_distribution_says() -> None:
    chances = chance_of_being_best(np.array([[0.6, 0.5]]), np.array([[0.03, 0.04]]))
    assert chances[0, 0] == pytest.approx(0.97725, abs=1e-3)


def test_certain_utilities_leave_no_chance_to_the_worse_arm() -> None:
    chances = chance_of_being_best(np.array([[0.6, 0.5, 0.6]]), np.zeros((1, 3)))
    assert chances.round(9).tolist() == [[0.5, 0.0, 0.5]]


def test_an_unknown_standard_error_counts_as_the_widest() -> None:
    mean = np.array([[0.5, 0.5, 0.2]])
    known, unknown = np.array([[0.1, 0.2, 0.2]]), np.array([[0.1, np.nan, 0.2]])
    np.testing.assert_array_equal(
        chance_of_being_best(mean, known), chance_of_being_best(mean, unknown)
    )


@given(
    mean=st.lists(st.floats(-1, 1), min_size=2, max_size=6),
    std=st.lists(st.floats(0, 1), min_size=6, max_size=6),
)
@settings(max_examples=40, deadline=None, derandomize=True)
def test_chances_sum_to_one_and_follow_the_order_of_the_arms(
    mean: list[float], std: list[float]
) -> None:
    means, stds = np.array([mean]), np.array([std[: len(mean)]])
    chances = chance_of_being_best(means, stds)
    assert chances.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(
        chance_of_being_best(means[:, ::-1], stds[:, ::-1])[:, ::-1], chances, atol=1e-9
    )


def test_chances_agree_with_simulation() -> None:
    random = np.random.default_rng(0)
    mean, std = random.random((1, 8)), 0.3 * random.random((1, 8))
    draws = random.normal(mean, std, size=(200_000, 8))
    simulated = np.bincount(draws.argmax(axis=1), minlength=8) / len(draws)
    np.testing.assert_allclose(chance_of_being_best(mean, std)[0], simulated, atol=0.006)


def test_no_query_gives_no_decision() -> None:
    explored = Exploration(method="thompson").explore(decide(0), [], PERFORMANCE)
    assert explored.order.shape == (0, 4)


def test_a_rate_a_method_and_both_can_be_read() -> None:
    assert Exploration.parse(0.1) == Exploration(rate=0.1)
    assert Exploration.parse("thompson") == Exploration(method="thompson")
    assert Exploration.parse("thompson:0.2") == Exploration(method="thompson", rate=0.2)
    assert Exploration.parse(0) is None
    assert Exploration.parse(None) is None


@pytest.mark.parametrize("value", ["often", "greedy:0.1", 1.5, -0.1, "thompson:", float("nan")])
def test_what_is_no_exploration_is_refused(value: str | float) -> None:
    with pytest.raises(ConfigError, match="cannot read exploration"):
        Exploration.parse(value)
