from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fusion_agents.encoders.lexical import LexicalEncoder
from fusion_agents.objective import Objective
from fusion_agents.outcomes import Outcomes
from fusion_agents.routers.artefact import load_router, save_router
from fusion_agents.routers.auto import AutoRouter
from fusion_agents.routers.cold_start import new_arms
from fusion_agents.routers.heads.cards import card_priors
from fusion_agents.routers.heads.sharing import MEAN, Known, Prior, learn_prior, log_odds
from fusion_agents.testing.outcomes import make_outcomes
from fusion_agents.types import Arm, ModelCard

NEWCOMER = "newcomer@direct"
Scores = Callable[[Outcomes], NDArray[np.float64]]


def with_newcomer(log: Outcomes, scores: NDArray[np.float64], n_answers: int) -> Outcomes:
    """Add an arm that answered some of the queries, spread over the log."""
    column = np.full((log.n_queries, 1), np.nan)
    rows = np.random.default_rng(0).permutation(log.n_queries)[:n_answers]
    column[rows, 0] = scores[rows]
    one = np.where(np.isnan(column), np.nan, 1.0)
    return replace(
        log,
        arms=(*log.arms, Arm.parse(NEWCOMER)),
        performance=np.hstack([log.performance, column]),
        judge=np.hstack([log.judge, np.full(column.shape, np.nan)]),
        cost=np.hstack([log.cost, 1e-4 * one]),
        latency=np.hstack([log.latency, one]),
        propensity=np.hstack([log.propensity, one]),
        errors=np.hstack([log.errors, np.zeros(column.shape, dtype=np.int64)]),
    )


def router() -> AutoRouter:
    return AutoRouter(encoder=LexicalEncoder(n_components=16, n_words=200, n_chars=200))


def share_of(fitted: AutoRouter, log: Outcomes, objective: str = "performance-first") -> float:
    choice = fitted.decide(log.queries, objective).choice
    return float(np.mean([fitted.fitted.arms[i] == NEWCOMER for i in choice]))


def test_new_is_an_arm_with_few_scores_for_itself_and_beside_the_others() -> None:
    scores = np.zeros((1000, 5))
    for arm, count in enumerate((1000, 40, 300, 0, 200)):
        scores[count:, arm] = np.nan

    assert new_arms(scores).tolist() == [False, True, False, False, True]
    assert not new_arms(scores[:60]).any()


def test_no_arm_is_new_where_all_have_few_scores() -> None:
    assert not new_arms(np.zeros((20, 3))).any()


def test_a_complete_log_has_no_new_arms() -> None:
    fitted = router().fit(make_outcomes(100)).fitted

    assert fitted.performance.cold_start is None  # type: ignore[union-attr]


def test_a_new_arm_that_is_always_right_is_chosen() -> None:
    log = make_outcomes(240, 3, seed=1)

    fitted = router().fit(with_newcomer(log, np.ones(240), 40))

    assert share_of(fitted, log) == 1
    assert fitted.route(["sum 7"])[0].reason.startswith("new arm: ")


def test_a_new_arm_that_is_always_wrong_is_never_chosen() -> None:
    log = make_outcomes(240, 3, seed=1)

    fitted = router().fit(with_newcomer(log, np.zeros(240), 40))

    assert share_of(fitted, log) == 0


def test_a_new_arm_changes_no_forecast_of_the_others() -> None:
    log = make_outcomes(200, 3, seed=2)
    alone = router().fit(log).forecast(log.queries)

    joined = router().fit(with_newcomer(log, np.ones(200), 30)).forecast(log.queries)

    columns = [joined.arms.index(arm) for arm in alone.arms]
    np.testing.assert_allclose(joined.performance[:, columns], alone.performance, atol=0.02)


def test_a_new_arm_that_scores_like_a_known_one_is_expected_to_be_good_where_that_is() -> None:
    log = make_outcomes(320, 4, seed=3)
    twin = log.performance[:, 2]

    forecast = router().fit(with_newcomer(log, twin, 60)).forecast(log.queries)

    new = forecast.performance[:, forecast.arms.index(Arm.parse(NEWCOMER))]
    by_arm = [
        np.corrcoef(new, forecast.performance[:, forecast.arms.index(arm)])[0, 1]
        for arm in log.arms
    ]
    assert int(np.argmax(by_arm)) == 2
    assert by_arm[2] > 0.8


def test_standard_errors_shrink_as_answers_come_in() -> None:
    log = make_outcomes(320, 3, seed=4)
    std = []
    for n_answers in (5, 60):
        forecast = (
            router().fit(with_newcomer(log, log.performance[:, 0], n_answers)).forecast(log.queries)
        )
        at = forecast.arms.index(Arm.parse(NEWCOMER))
        std.append(forecast.performance_std[:, at].mean())

    assert std[0] > 1.2 * std[1]


def test_intervals_hold_what_arms_are_worth_at_each_task() -> None:
    log = make_outcomes(240, 4, seed=5)
    task = np.arange(240) % 4  # the tasks take turns
    covered = []
    for arm in range(4):
        others = log.take_arms([i for i in range(4) if i != arm])
        forecast = router().fit(with_newcomer(others, log.performance[:, arm], 40))
        of_new = forecast.forecast(log.queries)
        at = of_new.arms.index(Arm.parse(NEWCOMER))
        for number in range(4):
            rows = task == number
            away = of_new.performance[rows, at].mean() - log.performance[rows, arm].mean()
            covered.append(abs(away) <= 1.96 * of_new.performance_std[rows, at].mean())

    assert np.mean(covered) >= 0.8


def test_queries_that_only_a_new_arm_answered_are_forecast_too() -> None:
    log = with_newcomer(make_outcomes(200, 2, seed=6), np.ones(200), 40)
    log.performance[~np.isnan(log.performance[:, 2]), :2] = np.nan

    fitted = router().fit(log)

    assert np.isfinite(fitted.forecast(log.queries).performance).all()
    assert fitted.out_of_fold(log) is not None


def test_the_only_other_arm_is_enough_to_join() -> None:
    log = make_outcomes(120, 1)

    fitted = router().fit(with_newcomer(log, np.ones(120), 20))

    assert np.isfinite(fitted.forecast(log.queries).performance).all()


def test_an_objective_that_names_only_the_new_arm_is_served() -> None:
    log = with_newcomer(make_outcomes(120, 2), np.ones(120), 20)

    objective = Objective.parse("performance-first").model_copy(update={"arms": (NEWCOMER,)})
    decisions = router().fit(log).decide(log.queries, objective)

    assert {str(decisions.forecast.arms[i]) for i in decisions.choice} == {NEWCOMER}


@pytest.mark.parametrize("objective", ["balance", "cost-first"])
def test_objectives_that_weigh_cost_rank_a_new_arm_with_the_others(objective: str) -> None:
    log = with_newcomer(make_outcomes(120, 2), np.ones(120), 20)

    (route,) = router().fit(log).route(["sum of digits"], objective)

    assert all(arm.utility is not None for arm in route.ranking)


def test_a_saved_router_knows_its_new_arms(tmp_path: Path) -> None:
    log = make_outcomes(160, 3, seed=7)
    fitted = router().fit(with_newcomer(log, log.performance[:, 1], 30))

    save_router(fitted, tmp_path)

    assert load_router(tmp_path).route(log.queries) == fitted.route(log.queries)


# -- the prior ------------------------------------------------------------------------------


def test_the_prior_is_wide_where_arms_differ_much() -> None:
    random = np.random.default_rng(0)
    places = np.eye(2)[np.arange(400) % 2]
    stds = []
    for spread in (0.02, 0.3):
        means = 0.5 + spread * np.linspace(-1, 1, 6)
        expected = np.tile(means, (400, 1))
        scores = (random.random((400, 6)) < means).astype(np.float64)
        prior = learn_prior(Known(expected, scores, places), log_odds(expected).mean(axis=0))
        stds.append(prior.variance[MEAN])

    assert stds[1] > 2 * stds[0]


def _card(price: float | None, size: float | None = None, words: str = "") -> ModelCard:
    return ModelCard(model="any", input_price=price, size=size, description=words)


MIDDLE = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])
CARDS = [_card(price) for price in (0.1, 0.2, 0.4, 0.8, 1.6)]
PRIOR = Prior(np.zeros(6), np.ones(6))


def test_a_dear_new_arm_is_expected_to_be_good_where_dear_arms_are() -> None:
    cheap, dear = card_priors(PRIOR, MIDDLE, CARDS, [_card(0.1), _card(3.2)])

    assert cheap.mean[MEAN] < -0.4 < 0.4 < dear.mean[MEAN]
    assert dear.variance[MEAN] < PRIOR.variance[MEAN]


def test_a_size_in_the_description_counts_as_a_size() -> None:
    sized = [_card(None, size) for size in (1.0, 3.0, 9.0, 27.0, 81.0)]

    (large,) = card_priors(PRIOR, MIDDLE, sized, [_card(None, None, "A dense model, 70b.")])

    assert large.mean[MEAN] > 0.3


@pytest.mark.parametrize(
    ("cards", "card"),
    [
        (CARDS, None),
        (CARDS, _card(None)),
        ([*CARDS[:3], None, None], _card(3.2)),
        ([CARDS[i] for i in (2, 0, 4, 1, 3)], _card(3.2)),
    ],
    ids=["no card", "no price", "too few cards", "price tells nothing"],
)
def test_cards_that_tell_nothing_change_nothing(
    cards: list[ModelCard | None], card: ModelCard | None
) -> None:
    (prior,) = card_priors(PRIOR, MIDDLE, cards, [card])

    assert prior is PRIOR


def test_cards_given_to_fit_move_the_forecast_of_a_new_arm() -> None:
    log = make_outcomes(200, 5, seed=8)
    performance = np.clip(log.performance * np.linspace(0.2, 1.0, 5), 0, 1)
    joined = with_newcomer(replace(log, performance=performance), performance[:, 2], 3)
    cards = [ModelCard(model=f"model-{i}", input_price=2.0**i) for i in range(5)]

    def expected(price: float) -> float:
        card = ModelCard(model="newcomer", input_price=price)
        fitted = router().fit(joined, cards=[*cards, card])
        forecast = fitted.forecast(log.queries)
        return float(forecast.performance[:, forecast.arms.index(Arm.parse(NEWCOMER))].mean())

    assert expected(16.0) > expected(1.0) + 0.02
