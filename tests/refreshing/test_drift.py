from dataclasses import replace

import numpy as np

from fusion_agents.encoders.lexical import LexicalEncoder
from fusion_agents.outcomes import Outcomes
from fusion_agents.refreshing.cross_fitting import keep_out_of_fold
from fusion_agents.refreshing.drift import DriftReport, find_drift
from fusion_agents.routers.base import Router
from fusion_agents.routers.best import BestRouter
from fusion_agents.routers.knn import KNNRouter
from fusion_agents.testing.outcomes import make_outcomes

LOG = make_outcomes(400, seed=11)
LATE = np.arange(400) >= 200


def router(log: Outcomes) -> Router:
    past = log.take(~LATE)
    found = KNNRouter(k=20, encoder=LexicalEncoder(n_components=8)).fit(past)
    keep_out_of_fold(found, past)
    return found


ROUTER = router(LOG)


def kinds(report: DriftReport) -> list[tuple[str, str]]:
    return [(alarm.kind, alarm.name) for alarm in report.alarms]


def test_nothing_is_found_where_nothing_changed() -> None:
    report = find_drift(ROUTER, LOG)
    assert (report.n_before, report.n_recent, report.alarms) == (200, 200, ())
    assert report.n_checks == 7


def test_false_alarms_are_as_rare_as_is_promised() -> None:
    rng = np.random.default_rng(0)
    alarms = 0
    for _ in range(40):
        shuffled = LOG.take(rng.permutation(400)[:120])
        past = shuffled.take(np.arange(60))
        quick = BestRouter().fit(past)
        keep_out_of_fold(quick, past)
        alarms += bool(find_drift(quick, shuffled, alpha=0.05).alarms)
    assert alarms <= 7  # 2 are expected; more than 7 have a chance below 0.1 %


def test_an_arm_that_got_worse_is_named() -> None:
    performance = LOG.performance.copy()
    performance[LATE, 1] *= 0.5
    report = find_drift(ROUTER, replace(LOG, performance=performance))
    assert kinds(report) == [("quality", str(LOG.arms[1]))]
    assert "points against the forecast" in str(report.alarms[0])


def test_a_price_that_rose_is_named() -> None:
    cost = LOG.cost.copy()
    cost[LATE, 2] *= 1.5
    (alarm,) = find_drift(ROUTER, replace(LOG, cost=cost)).alarms
    assert (alarm.kind, alarm.name) == ("price", str(LOG.arms[2]))
    assert str(alarm).endswith("% against the forecast")


def test_other_questions_than_before_are_found_and_no_arm_is_blamed() -> None:
    kept = ~LATE | (np.arange(400) % 4 == 1)
    report = find_drift(ROUTER, LOG.take(kept))
    assert kinds(report) == [("queries", "all")]


def test_a_few_entries_are_not_enough_to_tell() -> None:
    assert find_drift(ROUTER, LOG.take(np.arange(210))).n_checks == 0
