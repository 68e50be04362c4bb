from pathlib import Path

import numpy as np
import pytest

from fusion_agents.errors import ConfigError, EmptyLogError, ObjectiveError
from fusion_agents.refreshing import Gate, Versions, refresh
from fusion_agents.refreshing.comparison import Comparison, Difference
from fusion_agents.refreshing.refresh import limited_sources, voters
from fusion_agents.routers.artefact import load_router
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.stores.training import TrainingPolicy
from fusion_agents.types import Calibration, Judgement, LogEntry, Query
from tests.refreshing.logs import START, entries, filled

ROUTER = "knn:k=10"


def difference(mean: float, reach: float = 0.01, n: int = 100) -> Difference:
    return Difference(
        mean=mean, low=mean - reach, high=mean + reach, n_queries=n, n_different=n // 2
    )


def test_the_first_router_needs_no_gate(tmp_path: Path) -> None:
    with RoutingLog(tmp_path / "log.db") as log:
        report = refresh(filled(log), tmp_path / "router", ROUTER)
    assert report.verdict == "first"
    assert report.promoted
    assert load_router(tmp_path / "router").version == report.router.version


def test_more_of_the_same_is_promoted_with_its_figures(tmp_path: Path) -> None:
    with RoutingLog(tmp_path / "log.db") as log:
        refresh(filled(log), tmp_path / "router", ROUTER)
        log.append(entries(START, range(100, 160)))
        report = refresh(log, tmp_path / "router", ROUTER, gate=Gate(margin=0.05))
    assert report.verdict == "promoted", report.reason
    assert report.comparison is not None
    assert report.comparison.everywhere.n_queries == 160
    assert report.comparison.recent.n_queries == 60
    assert Versions(tmp_path / "router").current.comparison == report.comparison


def test_a_log_that_has_not_changed_teaches_nothing_new(tmp_path: Path) -> None:
    with RoutingLog(tmp_path / "log.db") as log:
        refresh(filled(log), tmp_path / "router", ROUTER)
        report = refresh(log, tmp_path / "router", ROUTER)
    assert report.verdict is None
    assert len(Versions(tmp_path / "router").history.versions) == 1


def test_other_options_on_the_same_log_are_something_new(tmp_path: Path) -> None:
    with RoutingLog(tmp_path / "log.db") as log:
        refresh(filled(log), tmp_path / "router", ROUTER)
        report = refresh(log, tmp_path / "router", "knn:k=30")
        again = refresh(log, tmp_path / "router", "knn:k=30")
    assert report.comparison is not None
    assert again.verdict is None


def test_a_dry_run_keeps_nothing(tmp_path: Path) -> None:
    with RoutingLog(tmp_path / "log.db") as log:
        report = refresh(filled(log), tmp_path / "router", ROUTER, dry_run=True)
    assert report.version is None
    assert not (tmp_path / "router").exists()


def test_a_worse_router_is_rejected_and_the_old_one_stays(tmp_path: Path) -> None:
    with RoutingLog(tmp_path / "log.db") as log:
        first = refresh(filled(log), tmp_path / "router", ROUTER)
        log.append(entries(START, range(100, 160)))
        report = refresh(log, tmp_path / "router", "cheapest")
    assert report.verdict == "rejected"
    assert "worse than the current version" in report.reason
    assert report.router.version == first.router.version
    assert load_router(tmp_path / "router").name == "knn"


def test_an_empty_log_and_routers_for_evaluation_are_refused(tmp_path: Path) -> None:
    with RoutingLog(tmp_path / "log.db") as log:
        with pytest.raises(EmptyLogError):
            refresh(log, tmp_path / "router")
        with pytest.raises(ConfigError, match="evaluation only"):
            refresh(filled(log), tmp_path / "router", "oracle")


def test_an_objective_that_means_nothing_is_refused_at_once(tmp_path: Path) -> None:
    with RoutingLog(tmp_path / "log.db") as log, pytest.raises(ObjectiveError):
        refresh(filled(log), tmp_path / "router", ROUTER, objective="fastest")
    assert not (tmp_path / "router").exists()


def test_limited_sources_teach_but_do_not_vote(tmp_path: Path) -> None:
    with RoutingLog(tmp_path / "log.db") as log:
        filled(log)
        told = [
            LogEntry(query=START.queries[row], arm=START.arms[0], cost=0.01)
            for row in range(100, 120)
        ]
        log.append(told)
        log.append_judgements(
            Judgement(entry_key=e.key, score=1.0, judge="feedback", source="user-1") for e in told
        )
        log.append_calibration(
            Calibration(
                judge="feedback",
                judge_version="1",
                scores=(0.0, 1.0),
                performances=(0.0, 1.0),
                n=99,
            )
        )
        learned = log.training_outcomes()
        asked = voters(log, TrainingPolicy())
    assert int((~np.isnan(learned.outcomes.performance)).sum()) == 320
    assert int((~np.isnan(asked.performance)).sum()) == 300
    assert limited_sources(learned.report) == {"source user-1": 20}


def test_a_limited_tenant_has_no_more_votes_than_a_limited_source_may_teach(
    tmp_path: Path,
) -> None:
    with RoutingLog(tmp_path / "log.db") as log:
        filled(log)  # 300 answers
        log.append(
            LogEntry(
                query=Query(text=f"Acme's question {n}?"),
                arm=START.arms[0],
                performance=1.0,
                tenant="acme",
            )
            for n in range(300)
        )
        taught = log.training_outcomes().outcomes
        votes = voters(log, TrainingPolicy())
    assert int((~np.isnan(taught.performance)).sum()) == 600
    assert int((~np.isnan(votes.performance)).sum()) == 375


@pytest.mark.parametrize(
    ("everywhere", "recent", "promoted", "why"),
    [
        (difference(0.001), None, True, "not worse"),
        (difference(0.006, 0.05), difference(-0.005), True, "not worse"),
        (difference(0.0, 0.02), None, True, "not worse"),
        (difference(-0.001, 0.02), None, False, "perhaps worse than the current"),
        (difference(-0.02), None, False, "worse than the current"),
        (difference(0.02), difference(-0.02), False, "new to both"),
        (difference(0.02, n=49), None, False, "only 49 queries"),
        (None, None, False, "only 0 queries"),
    ],
)
def test_the_gate_rules_by_all_queries_and_by_the_recent_ones(
    everywhere: Difference | None, recent: Difference | None, promoted: bool, why: str
) -> None:
    ruling = Gate().rule(Comparison(everywhere=everywhere, recent=recent))
    assert ruling.promoted is promoted
    assert why in ruling.reason
