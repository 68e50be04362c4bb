from pathlib import Path

import numpy as np
import pytest

from fusion_agents.errors import ConfigError
from fusion_agents.objective import Objective
from fusion_agents.outcomes import Outcomes
from fusion_agents.routers.artefact import load_router, save_router
from fusion_agents.routers.bandit import BASES, BanditRouter
from fusion_agents.routers.base import Router
from fusion_agents.routers.catalogue import make_router
from fusion_agents.testing.outcomes import make_outcomes
from fusion_agents.testing.router_contract import RouterContract
from fusion_agents.types import Arm, LogEntry, Query


class TestThompson(RouterContract):
    def make(self) -> Router:
        return BanditRouter(base="ridge")


class TestUpperBound(RouterContract):
    def make(self) -> Router:
        return BanditRouter(base="knn:k=20", policy="ucb")


LOG = make_outcomes(60, n_arms=3, seed=5)
LATER = make_outcomes(600, n_arms=3, seed=6)


def entry_of(outcomes: Outcomes, row: int, arm: int) -> LogEntry:
    return LogEntry(
        key=f"{row}-{arm}",
        query=outcomes.queries[row],
        arm=outcomes.arms[arm],
        performance=float(outcomes.performance[row, arm]),
    )


def error_of(router: Router, outcomes: Outcomes) -> float:
    forecast = router.forecast(outcomes.queries)
    columns = [outcomes.arms.index(arm) for arm in forecast.arms]
    return float(np.mean((forecast.performance - outcomes.performance[:, columns]) ** 2))


def test_before_any_update_it_forecasts_what_its_base_does() -> None:
    base, bandit = make_router("ridge").fit(LOG), BanditRouter(base="ridge").fit(LOG)
    expected, forecast = (router.forecast(LATER.queries[:50]) for router in (base, bandit))
    np.testing.assert_allclose(forecast.performance, expected.performance)
    np.testing.assert_allclose(forecast.performance_std, expected.performance_std)


def test_answers_improve_its_forecasts_and_narrow_them() -> None:
    router = BanditRouter(base="best", doubt=3.0).fit(LOG)
    seen, unseen = LATER.take(range(400)), LATER.take(range(400, 600))
    before, wide = error_of(router, unseen), router.forecast(unseen.queries).performance_std
    router.update(seen)
    assert error_of(router, unseen) < 0.97 * before
    assert (router.forecast(unseen.queries).performance_std < wide).all()


def test_answers_one_by_one_and_all_at_once_teach_the_same() -> None:
    together = BanditRouter(base="ridge").fit(LOG).update(LATER.take(range(20)))
    one_by_one = BanditRouter(base="ridge").fit(LOG)
    for row in range(20):
        for arm in range(3):
            one_by_one.update(entry_of(LATER, row, arm))
    first, second = (router.forecast(LATER.queries) for router in (together, one_by_one))
    np.testing.assert_allclose(first.performance, second.performance, atol=1e-6)
    np.testing.assert_allclose(first.performance_std, second.performance_std, atol=1e-6)


def test_an_update_gives_a_new_version_and_leaves_a_forecast_in_use_alone() -> None:
    router = BanditRouter(base="ridge").fit(LOG)
    model, version = router.fitted.performance, router.version
    assert model is not None
    batch = router._batch(LATER.queries[:5], None)
    before = model.predict(batch).mean
    router.update(entry_of(LATER, 0, 0))
    np.testing.assert_array_equal(model.predict(batch).mean, before)
    assert router.version != version


@pytest.mark.parametrize("base", BASES)
def test_an_update_is_saved_whatever_is_corrected(base: str, tmp_path: Path) -> None:
    router = BanditRouter(base=base).fit(LOG).update(LATER.take(range(30)))
    save_router(router, tmp_path)
    loaded = load_router(tmp_path)
    assert loaded.route(LATER.queries[:40]) == router.route(LATER.queries[:40])
    again = loaded.update(entry_of(LATER, 50, 1)).forecast(LATER.queries[:40])
    expected = router.update(entry_of(LATER, 50, 1)).forecast(LATER.queries[:40])
    np.testing.assert_allclose(again.performance, expected.performance)


def test_an_answer_without_a_score_teaches_nothing() -> None:
    router = BanditRouter(base="ridge").fit(LOG)
    before = router.forecast(LATER.queries).performance
    router.update(LogEntry(key="x", query=Query(text="new"), arm=LOG.arms[0]))
    np.testing.assert_array_equal(router.forecast(LATER.queries).performance, before)


def test_an_arm_without_scores_gets_a_forecast_with_its_first_one() -> None:
    log = make_outcomes(60, n_arms=3, seed=5)
    log.performance[:, 1] = np.nan
    router = BanditRouter(base="ridge").fit(log)
    column = router.fitted.arms.index(str(log.arms[1]))
    assert np.isnan(router.forecast(log.queries).performance[:, column]).all()
    router.update(entry_of(LATER, 0, 1))
    forecast = router.forecast(log.queries)
    assert np.isfinite(forecast.performance).all()
    others = np.delete(forecast.performance_std, column, axis=1)
    assert forecast.performance_std[:, column].mean() > others.mean()


def test_an_arm_that_it_does_not_know_is_refused() -> None:
    stranger = LogEntry(key="x", query=Query(text="new"), arm=Arm(model="z"), performance=1.0)
    with pytest.raises(ConfigError, match="does not know z@direct"):
        BanditRouter(base="ridge").fit(LOG).update(stranger)


def test_a_router_that_cannot_learn_from_single_answers_says_so() -> None:
    with pytest.raises(ConfigError, match="'ridge' cannot learn from single answers"):
        make_router("ridge").fit(LOG).update(entry_of(LATER, 0, 0))


def test_thompson_draws_arms_as_often_as_its_propensities_say() -> None:
    router = BanditRouter(base="best").fit(LOG)
    decisions = router.decide([f"{query.text} again" for query in LATER.queries])
    assert decisions.propensities is not None
    shares = np.bincount(decisions.choice, minlength=3) / len(decisions.choice)
    assert np.abs(shares - decisions.propensities.mean(axis=0)).max() < 0.06
    assert (decisions.propensity < 1).all()


def test_optimism_prefers_what_is_not_known_well() -> None:
    log = make_outcomes(60, n_arms=3, seed=5)
    log.performance[4:, 0] = np.nan
    log.performance[:4, 0] = log.performance[:, 2].mean()
    shares = []
    for policy in ("greedy", "ucb"):
        router = BanditRouter(base="best", policy=policy, width=3.0).fit(log)
        rare = router.fitted.arms.index(str(log.arms[0]))
        shares.append((router.decide(LATER.queries).choice == rare).mean())
    assert shares[1] > shares[0]


def test_forbidden_arms_are_neither_drawn_nor_counted() -> None:
    held = Objective(performance=1.0, arms=("model-0", "model-2"))
    decisions = BanditRouter(base="ridge").fit(LOG).decide(LATER.queries, held)
    forbidden = np.isnan(decisions.utilities)
    assert decisions.propensities is not None
    assert (decisions.propensities[forbidden] == 0).all()
    np.testing.assert_allclose(decisions.propensities.sum(axis=1), 1.0)


@pytest.mark.parametrize("option", ["base=oracle", "policy=lucky", "width=-1", "doubt=-1"])
def test_options_that_make_no_sense_are_refused(option: str) -> None:
    with pytest.raises(ConfigError):
        make_router(f"bandit:{option}").fit(LOG)
