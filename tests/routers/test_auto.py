from pathlib import Path

import numpy as np
import pytest

from fusion_agents.encoders.lexical import LexicalEncoder
from fusion_agents.errors import ConfigError
from fusion_agents.objective import Objective
from fusion_agents.outcomes import Outcomes, OutcomesBuilder
from fusion_agents.routers import make_router
from fusion_agents.routers.artefact import load_router, save_router
from fusion_agents.routers.auto import AutoRouter
from fusion_agents.routers.base import Router
from fusion_agents.testing.outcomes import make_outcomes
from fusion_agents.testing.router_contract import RouterContract
from fusion_agents.types import Arm, Query


class TestAuto(RouterContract):
    def make(self) -> Router:
        return AutoRouter()


def _without_labels(outcomes: Outcomes) -> Outcomes:
    builder = OutcomesBuilder()
    for row, query in enumerate(outcomes.queries):
        for column, arm in enumerate(outcomes.arms):
            builder.add(
                Query(id=query.id, text=query.text),
                arm,
                performance=float(outcomes.performance[row, column]),
            )
    return builder.build()


def _gain(router: Router, test: Outcomes, best: int) -> float:
    decisions = router.decide(test.queries)
    columns = [test.arms.index(arm) for arm in decisions.forecast.arms]
    scores = test.performance[:, columns]
    rows = np.arange(test.n_queries)
    return float((scores[rows, decisions.choice] - scores[:, best]).mean())


@pytest.mark.parametrize("labels", [True, False], ids=["tasks named", "tasks not named"])
def test_it_beats_the_best_single_arm_where_arms_differ_by_task(labels: bool) -> None:
    log = make_outcomes(600, 4, seed=3)
    train, test = (log if labels else _without_labels(log)).split(0.3, seed=0)

    router = AutoRouter().fit(train)

    expected = router.expected_gain("performance-first")
    assert expected is not None
    assert expected.pays
    assert _gain(router, test, expected.best) > 0.15


def _one_arm_dominates() -> Outcomes:
    log = make_outcomes(400, 3, seed=1)
    performance = np.column_stack([np.ones(400), log.performance[:, 1:] * 0.9])
    return Outcomes(
        log.queries, log.arms, performance, log.judge, log.cost, log.latency,
        log.propensity, log.errors,
    )  # fmt: skip


def test_where_one_arm_dominates_every_query_goes_to_it_and_the_reason_says_so() -> None:
    router = AutoRouter().fit(_one_arm_dominates())

    routes = router.route(["sum of digits 7", "butter and flour 3"])

    assert {str(route.arm) for route in routes} == {"model-0@direct"}
    assert {route.reason for route in routes} == {
        "routing does not pay in the log out of fold: best single arm"
    }


def test_the_guard_is_asked_again_for_each_objective() -> None:
    router = AutoRouter().fit(_one_arm_dominates())

    performance = router.expected_gain("performance-first")
    frugal = router.expected_gain("cost-first")

    assert performance is not None
    assert frugal is not None
    assert router.fitted.arms[performance.best] == "model-0@direct"
    assert not performance.pays
    assert router.expected_gain("cost-first") is frugal  # remembered


def test_a_query_unlike_the_log_goes_to_the_best_single_arm() -> None:
    router = AutoRouter().fit(make_outcomes(400, 4, seed=2))

    (usual,) = router.route(["oven flour butter onion recipe 7"])
    (strange,) = router.route(["ZXQ://%%% ## 漢字 漢字 漢字 @@@@ ^^^^ ~~~~"])

    expected = router.expected_gain("performance-first")
    assert expected is not None
    assert usual.reason == "highest utility under performance-first"
    assert strange.reason == "unlike the logged queries: best single arm"
    assert str(strange.arm) == router.fitted.arms[expected.best]


def test_without_the_novelty_guard_even_strange_queries_are_routed() -> None:
    router = AutoRouter(novelty=0.0).fit(make_outcomes(400, 4, seed=2))

    (strange,) = router.route(["ZXQ://%%% ## 漢字 漢字 漢字 @@@@ ^^^^ ~~~~"])

    assert strange.reason == "highest utility under performance-first"


def test_one_answer_a_query_is_enough_to_learn_from() -> None:
    log = make_outcomes(900, 3, seed=5)
    train, test = log.split(0.3, seed=1)
    rng = np.random.default_rng(0)
    keep = np.zeros(train.performance.shape, dtype=bool)
    keep[np.arange(train.n_queries), rng.integers(3, size=train.n_queries)] = True
    sparse = Outcomes(
        train.queries, train.arms, np.where(keep, train.performance, np.nan), train.judge,
        np.where(keep, train.cost, np.nan), train.latency,
        np.where(keep, 1 / 3, np.nan), train.errors,
    )  # fmt: skip

    router = AutoRouter().fit(sparse)

    expected = router.expected_gain("performance-first")
    assert expected is not None
    assert np.isfinite(expected.standard_error)
    assert _gain(router, test, expected.best) > 0.05


def test_three_lucky_answers_do_not_make_a_best_arm() -> None:
    builder = OutcomesBuilder()
    for number in range(300):
        query = Query(text=f"question number {number} about things")
        builder.add(query, Arm(model="solid"), performance=float(number % 10 != 0))
        builder.add(query, Arm(model="weak"), performance=float(number % 4 == 0))
        if number in {20, 40, 60}:
            builder.add(query, Arm(model="lucky"), performance=1.0)

    router = AutoRouter().fit(builder.build())

    chosen = {route.arm.model for route in router.route([f"question {i}" for i in range(20)])}
    assert chosen == {"solid"}


def test_forecasts_are_calibrated_on_held_out_queries() -> None:
    train, test = make_outcomes(1500, 4, seed=8).split(0.3, seed=0)
    router = AutoRouter().fit(train)

    forecast = router.forecast(test.queries)

    columns = [test.arms.index(arm) for arm in forecast.arms]
    expected = np.clip(forecast.performance, 0, 1).ravel()
    actual = test.performance[:, columns].ravel()
    bins = np.minimum((expected * 10).astype(int), 9)
    error = sum(
        abs(expected[bins == b].mean() - actual[bins == b].mean()) * (bins == b).mean()
        for b in np.unique(bins)
    )
    assert error < 0.06


def test_out_of_fold_forecasts_are_of_the_training_queries_in_their_order() -> None:
    train = make_outcomes(200, 3, seed=4)
    router = AutoRouter().fit(train)

    forecast = router.out_of_fold(train)
    reversed_ = router.out_of_fold(train.take(np.arange(train.n_queries)[::-1]))

    assert forecast is not None
    assert reversed_ is not None
    assert forecast.performance.shape == (200, 3)
    np.testing.assert_array_equal(forecast.performance[::-1], reversed_.performance)


def test_out_of_fold_forecasts_know_less_than_those_of_seen_queries() -> None:
    train = make_outcomes(300, 3, seed=4)
    router = AutoRouter(encoder=LexicalEncoder()).fit(train)
    seen = router.forecast(train.queries)
    unseen = router.out_of_fold(train)

    assert unseen is not None
    columns = [train.arms.index(arm) for arm in seen.arms]
    actual = train.performance[:, columns]
    assert np.mean((unseen.performance - actual) ** 2) > np.mean((seen.performance - actual) ** 2)


def test_an_objective_over_judge_scores_is_served_from_judge_scores_alone() -> None:
    log = make_outcomes(300, 3, seed=6, judge=True)
    judged = Outcomes(
        log.queries, log.arms, np.full(log.performance.shape, np.nan), log.judge, log.cost,
        log.latency, log.propensity, log.errors,
    )  # fmt: skip

    router = AutoRouter().fit(judged)

    (route,) = router.route(["oven flour butter onion 3"], Objective.parse("judge"))
    assert route.ranking[0].judge is not None
    assert route.ranking[0].performance is None


def test_an_arm_with_one_answer_joins_without_harm() -> None:
    log = make_outcomes(200, 3, seed=7)
    performance = log.performance.copy()
    performance[1:, 2] = np.nan
    sparse = Outcomes(
        log.queries, log.arms, performance, log.judge, log.cost, log.latency, log.propensity,
        log.errors,
    )  # fmt: skip

    router = AutoRouter().fit(sparse)

    forecast = router.forecast(log.queries)
    assert np.isfinite(forecast.performance).all()
    assert router.expected_gain("performance-first") is not None


@pytest.mark.parametrize("n_queries", [1, 2, 5])
def test_a_handful_of_queries_is_enough_to_fit(n_queries: int) -> None:
    router = AutoRouter().fit(make_outcomes(n_queries, 2, seed=0))

    (route,) = router.route(["anything"])

    assert 0 <= route.ranking[0].performance <= 1  # type: ignore[operator]


def test_equal_texts_under_two_task_names_do_not_stop_the_fit() -> None:
    builder = OutcomesBuilder()
    for number in range(60):
        task = None if number < 10 else f"task {number % 2}"
        text = f"other question {number}" if number < 10 else "the same question again"
        query = Query(id=str(number), text=text, task=task)
        for name in ("a", "b"):
            builder.add(query, Arm(model=name), performance=float((number + len(name)) % 3 == 0))

    router = AutoRouter().fit(builder.build())

    assert len(router.route(["the same question again"])) == 1


@pytest.mark.parametrize("option", ["novelty=2", "novelty=-1", "caution=-5", "caution=nan"])
def test_options_without_sense_are_refused(option: str) -> None:
    with pytest.raises(ConfigError, match="must"):
        make_router(f"auto:{option}").fit(make_outcomes(30, 2))


def test_fitting_a_second_router_with_one_encoder_leaves_the_first_alone() -> None:
    encoder = LexicalEncoder()
    first = AutoRouter(encoder=encoder).fit(make_outcomes(120, 3, seed=1))
    before = first.route(["oven flour butter 3"])

    AutoRouter(encoder=encoder).fit(make_outcomes(150, 3, seed=2))

    assert first.route(["oven flour butter 3"]) == before


def test_many_objectives_do_not_pile_up() -> None:
    router = AutoRouter().fit(make_outcomes(60, 2))

    for number in range(600):
        router.expected_gain(f"performance=1,cost=0.{number:03d}1")

    assert len(router._gains) <= 256


def test_unseen_forecasts_come_from_models_that_had_not_seen_the_query(tmp_path: Path) -> None:
    log = make_outcomes(150, missing=0.3)
    train = log.take(np.arange(100))
    router = AutoRouter(encoder=LexicalEncoder(n_components=8)).fit(train)
    save_router(router, tmp_path)

    unseen = load_router(tmp_path).unseen_forecast(log.queries)

    kept, own = router.out_of_fold(train), router.forecast(log.queries)
    assert unseen is not None
    assert kept is not None
    np.testing.assert_array_equal(unseen.performance[:100], kept.performance)
    np.testing.assert_allclose(unseen.performance[100:], own.performance[100:], atol=1e-6)
    assert np.abs(unseen.performance[:100] - own.performance[:100]).max() > 0.01
