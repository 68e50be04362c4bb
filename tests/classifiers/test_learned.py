"""The classifier that learned from a log, held to the arms that can answer."""

import numpy as np
import pytest

from fusion_agents.classifiers.base import Question
from fusion_agents.classifiers.learned import MOST_AT_ONCE, LearnedClassifier
from fusion_agents.errors import RouteError
from fusion_agents.objective import Objective
from fusion_agents.routers import make_router
from fusion_agents.routers.exploration import Exploration
from fusion_agents.testing.outcomes import make_outcomes
from fusion_agents.types import Arm

LOG = make_outcomes(80, 4, seed=0)
ROUTER = make_router("knn").fit(LOG)
ARMS = tuple(LOG.arms)
NEW = Arm.parse("new@direct")
FIRST = Objective.parse("performance-first")


def questions(n: int, *arms: Arm) -> list[Question]:
    return [Question(query=query, arms=arms) for query in LOG.queries[:n]]


def test_with_all_arms_it_decides_as_its_router_does() -> None:
    routes = LearnedClassifier(ROUTER).routes(questions(20, *ARMS), FIRST)
    assert routes == ROUTER.route(LOG.queries[:20], FIRST)


def test_it_names_only_arms_of_the_question() -> None:
    two = ARMS[1:3]
    for route in LearnedClassifier(ROUTER).routes(questions(20, *two), FIRST):
        assert route.arm in two
        assert {forecast.arm for forecast in route.ranking} == set(two)
        assert route.objective == "performance-first"


def test_questions_with_different_arms_keep_their_order() -> None:
    mixed = [
        Question(query=query, arms=ARMS if number % 2 else ARMS[:1])
        for number, query in enumerate(LOG.queries[:10])
    ]
    routes = LearnedClassifier(ROUTER).routes(mixed, FIRST)
    assert [route.arm for route in routes[::2]] == [ARMS[0]] * 5
    assert routes[1::2] == ROUTER.route([question.query for question in mixed[1::2]], FIRST)


def test_an_arm_that_the_log_does_not_know_comes_last_without_a_forecast() -> None:
    (route,) = LearnedClassifier(ROUTER).routes(questions(1, NEW, *ARMS), FIRST)
    assert route.arm != NEW
    assert route.ranking[-1].arm == NEW
    assert route.ranking[-1].performance is None
    assert route.ranking[-1].utility is None


def test_an_unknown_arm_is_left_out_where_a_cap_cannot_be_checked_for_it() -> None:
    capped = Objective.parse("performance=1,max_cost=1000")
    (route,) = LearnedClassifier(ROUTER).routes(questions(1, NEW, *ARMS), capped)
    assert NEW not in {forecast.arm for forecast in route.ranking}


def test_with_unknown_arms_only_the_first_is_taken_and_the_reason_says_why() -> None:
    (route,) = LearnedClassifier(ROUTER).routes(questions(1, NEW), FIRST)
    assert (route.arm, route.utility) == (NEW, None)
    assert "the log knows none of the arms" in route.reason


def test_a_cap_that_no_arm_keeps_is_a_route_error() -> None:
    with pytest.raises(RouteError, match="leaves no arm"):
        LearnedClassifier(ROUTER).routes(
            questions(1, *ARMS), Objective.parse("performance=1,max_cost=0")
        )


@pytest.mark.parametrize("n", [0, 1, MOST_AT_ONCE, MOST_AT_ONCE + 1])
async def test_an_event_loop_gets_the_same_routes_from_a_thread_or_not(n: int) -> None:
    classifier = LearnedClassifier(ROUTER)
    asked = questions(n, *ARMS)
    routes = await classifier.aroutes(asked, FIRST)
    expected = classifier.routes(asked, FIRST)
    assert [route.arm for route in routes] == [route.arm for route in expected]
    np.testing.assert_allclose(
        np.array([route.utility for route in routes], dtype=float),
        np.array([route.utility for route in expected], dtype=float),
    )


# -- exploration ----------------------------------------------------------------------------------


def keyed(n: int, *arms: Arm) -> list[Question]:
    return [
        Question(query=LOG.queries[number % 80], arms=arms, key=f"turn-{number}")
        for number in range(n)
    ]


def test_exploring_tries_other_arms_with_the_propensity_that_it_states() -> None:
    explorer = LearnedClassifier(ROUTER, Exploration(rate=0.4))
    routes = explorer.routes(keyed(400, *ARMS), FIRST)
    usual = LearnedClassifier(ROUTER).routes(keyed(400, *ARMS), FIRST)
    tried = [route for route, best in zip(routes, usual, strict=True) if route.arm != best.arm]
    assert 80 < len(tried) < 160  # three in four of those that are drawn
    assert {route.propensity for route in tried} == {0.1}
    same = [route for route, best in zip(routes, usual, strict=True) if route.arm == best.arm]
    assert {route.propensity for route in same} == {0.7}
    assert all("tried on purpose" in route.reason for route in tried)


def test_the_same_key_draws_the_same_arm() -> None:
    explorer = LearnedClassifier(ROUTER, Exploration(rate=0.9))
    together = explorer.routes(keyed(30, *ARMS), FIRST)
    apart = [explorer.routes([question], FIRST)[0] for question in keyed(30, *ARMS)]
    assert [route.arm for route in together] == [route.arm for route in apart]


def test_a_question_without_a_key_is_never_explored() -> None:
    explorer = LearnedClassifier(ROUTER, Exploration(rate=1.0))
    assert explorer.routes(questions(20, *ARMS), FIRST) == ROUTER.route(LOG.queries[:20], FIRST)


def test_only_arms_that_may_and_can_answer_are_tried() -> None:
    explorer = LearnedClassifier(ROUTER, Exploration(rate=1.0))
    two = ARMS[:2]
    routes = explorer.routes(keyed(60, NEW, *two), FIRST)
    assert {route.arm for route in routes} == set(two)
    assert {route.propensity for route in routes} == {0.5}
    capped = FIRST.model_copy(update={"max_cost": float(np.nanmedian(LOG.cost))})
    for route in explorer.routes(keyed(60, *ARMS), capped):
        chosen = next(forecast for forecast in route.ranking if forecast.arm == route.arm)
        assert chosen.cost is not None
        assert capped.max_cost is not None
        assert chosen.cost <= capped.max_cost
