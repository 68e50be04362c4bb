"""What a comparison tells the routing log, and what routers make of it."""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from fusion_agents.distill.comparing.comparison import Comparison
from fusion_agents.distill.comparing.evaluating import evaluate_student
from fusion_agents.distill.selecting.holding_out import held_out_queries
from fusion_agents.errors import ConfigError
from fusion_agents.pool.pool import Pool
from fusion_agents.routers.catalogue import make_router
from fusion_agents.simulation import generate_questions, simulate_log
from fusion_agents.simulation.log import to_query
from fusion_agents.stores.log_filter import LogFilter
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.testing.fake_chat import FakeChatModel
from fusion_agents.testing.replay import ReplayChatModel
from fusion_agents.types import Arm, LogEntry, Query
from tests.distill.comparing.evaluating_world import HASTY, is_of, model, models, pupil, questions

ASKED = questions()
FAMILIES = ("arithmetic", "strings")
PUPIL = Arm(model="pupil")


@pytest.fixture
def log(tmp_path: Path) -> Iterator[RoutingLog]:
    with RoutingLog(tmp_path / "routing.db") as opened:
        yield opened


def recorded(
    folder: Path,
    log: RoutingLog,
    pool: Pool | None = None,
    queries: Sequence[Query] = ASKED,
    **more: Any,
) -> Comparison:
    made = pool or models(model(ASKED, is_of("rests")), model(ASKED, is_of("sums")))
    return asyncio.run(
        evaluate_student(
            pupil(folder / "out"), log, queries,
            record=log, models=made, policy=HASTY, n_bootstrap=100, **more,
        )
    )  # fmt: skip


def test_a_part_is_recorded_once_under_the_pools_names(tmp_path: Path, log: RoutingLog) -> None:
    found = recorded(tmp_path, log).recorded
    assert found is not None
    assert (found.student_arm, found.base_arm) == ("pupil@direct", "base@direct")
    assert found.new == found.entries == 2 * found.n_queries == log.count()
    assert 10 <= found.n_queries <= 30
    again = recorded(tmp_path, log).recorded
    assert again == found.model_copy(update={"new": 0})
    assert log.count() == found.entries


def test_what_is_kept_back_is_not_in_the_log(tmp_path: Path, log: RoutingLog) -> None:
    found = recorded(tmp_path, log).recorded
    assert found is not None
    told = {query.id for query in log.queries()}
    assert told.isdisjoint(found.kept_back)
    assert told | set(found.kept_back) == {query.id for query in ASKED}


def test_entries_carry_performance_and_source(tmp_path: Path, log: RoutingLog) -> None:
    recorded(tmp_path, log, record_share=1.0)
    entries = list(log.scan(LogFilter(arms=("pupil@direct",))))
    assert len(entries) == 40
    for entry in entries:
        assert entry.performance == float(entry.query.task == "sums")
        assert (entry.source, entry.query.split, entry.error) == ("evaluation", "test", None)


def test_a_base_that_is_not_in_the_pool_is_not_recorded(tmp_path: Path, log: RoutingLog) -> None:
    student = pupil(tmp_path / "out").model_copy(update={"base_spec": "elsewhere"})
    with pytest.raises(ConfigError):  # it cannot be made of that name
        asyncio.run(evaluate_student(student, log, ASKED, models={"pupil": FakeChatModel()}))


def test_what_the_log_knows_of_the_base_is_not_doubled(tmp_path: Path, log: RoutingLog) -> None:
    log.append(
        LogEntry(query=query, arm=Arm(model="base"), performance=0.5, source="collect")
        for query in ASKED[:10]
    )
    found = recorded(tmp_path, log, record_share=1.0).recorded
    assert found is not None
    assert found.entries == 40 + 30
    assert log.count(LogFilter(arms=("base@direct",))) == 40


def test_a_log_without_splits_goes_on_holding_out_the_same(tmp_path: Path, log: RoutingLog) -> None:
    whole = questions(60, split=None)
    log.append(LogEntry(query=query, arm=Arm(model="large"), performance=1.0) for query in whole)
    held_out = held_out_queries(log, share=0.3)
    pool = models(model(whole, is_of("rests")), model(whole, is_of("sums")))
    found = recorded(tmp_path, log, pool, held_out).recorded
    assert found is not None
    assert found.new
    assert held_out_queries(log, share=0.3) == held_out


def test_no_student_learns_from_queries_that_came_with_the_comparison(
    tmp_path: Path, log: RoutingLog
) -> None:
    brought = questions(split=None)
    pool = models(model(brought, is_of("rests")), model(brought, is_of("sums")))
    recorded(tmp_path, log, pool, brought)
    assert {query.split for query in log.queries()} == {"evaluation"}


def test_an_id_that_stands_for_another_text_in_the_log_is_not_recorded(
    tmp_path: Path, log: RoutingLog
) -> None:
    other = Query(id=ASKED[0].id, text="Something else altogether?", split="test")
    log.append([LogEntry(query=other, arm=Arm(model="large"), performance=1.0)])
    found = recorded(tmp_path, log, record_share=1.0).recorded
    assert found is not None
    assert found.entries == 2 * 39
    assert log.count(LogFilter(query_ids=(other.id,))) == 1


def test_a_share_that_is_none_is_refused(tmp_path: Path, log: RoutingLog) -> None:
    with pytest.raises(ConfigError, match="share of recorded"):
        recorded(tmp_path, log, record_share=0.0)


# -- a router that learns of it --------------------------------------------------------------


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SIMULATED models answered questions of two families; half of them are held out."""
    path = tmp_path_factory.mktemp("simulated") / "routing.db"
    arms = [Arm(model=f"sim-{name}") for name in ("medium", "tiny")]
    with RoutingLog(path) as log:
        log.append(
            entry.model_copy(
                update={
                    "key": f"{number}",
                    "query": entry.query.model_copy(
                        update={"split": "test" if number // 2 % 2 else "train"}
                    ),
                }
            )
            for number, entry in enumerate(simulate_log(400, 3, arms, FAMILIES))
        )
    return path


def sums_pupil(queries: Sequence[Query]) -> FakeChatModel:
    """Right at arithmetic, at a price of nothing; wrong at all else."""
    return model(queries, is_of("arithmetic"))


def test_a_router_chooses_the_student_for_its_family_and_nowhere_else(
    simulated: Path, tmp_path: Path
) -> None:
    student = pupil(tmp_path / "out").model_copy(update={"base_spec": "sim-tiny"})
    with RoutingLog(simulated) as log:
        held_out = held_out_queries(log)
        pool = Pool(
            {
                "sim-tiny": ReplayChatModel(log=log, model="sim-tiny", strategy="direct"),
                "pupil": sums_pupil(held_out),
            }
        )
        with pytest.raises(ConfigError, match="asked through"):
            asyncio.run(evaluate_student(student, log, held_out, models=pool))

        answers = {entry.query.text: entry.response or "" for entry in _of_tiny(log)}
        tiny = FakeChatModel(answer=lambda messages: answers[str(messages[-1].text)])
        pool = Pool(
            {
                name: {"model": one, "price": {"input": 0.1, "output": 0.5}}
                for name, one in (("sim-tiny", tiny), ("pupil", sums_pupil(held_out)))
            }
        )
        found = asyncio.run(
            evaluate_student(
                student, log, held_out, record=log, models=pool, policy=HASTY, n_bootstrap=500,
                router="knn",
            )
        )  # fmt: skip
        assert [(row.task, row.finding) for row in found.tasks] == [
            ("arithmetic", "helped"), ("strings", "hurt"),
        ]  # fmt: skip
        fresh = [to_query(one) for one in generate_questions(100, 99, FAMILIES)]
        router = make_router("knn").fit(log.training_outcomes().outcomes)
        routes = router.route([query.text for query in fresh])

    chosen = {
        family: [
            route.arm for query, route in zip(fresh, routes, strict=True) if query.task == family
        ]
        for family in FAMILIES
    }
    assert chosen["arithmetic"].count(PUPIL) >= 0.9 * len(chosen["arithmetic"])
    assert chosen["strings"].count(PUPIL) <= 0.1 * len(chosen["strings"])

    assert found.choices is not None
    arithmetic, strings = found.choices.tasks
    assert arithmetic.student_share >= 0.9
    assert strings.student_share <= 0.1
    assert found.choices.overall.router is not None
    assert found.choices.overall.router > max(
        found.choices.overall.base or 0.0, found.choices.overall.student or 0.0
    )


def _of_tiny(log: RoutingLog) -> Iterator[LogEntry]:
    return log.scan(LogFilter(models=("sim-tiny",)))


def test_what_is_recorded_belongs_to_the_tenant_who_asked_and_is_forgotten_with_it(
    tmp_path: Path, log: RoutingLog
) -> None:
    log.append(
        LogEntry(query=query, arm=Arm(model="large"), response="1", performance=0.0, tenant="acme")
        for query in ASKED[:20]
    )
    log.set_consent("tenant", "acme", allowed=True)
    recorded(tmp_path, log, record_share=1.0)
    theirs = {query.id for query in ASKED[:20]}
    for entry in log.scan(LogFilter(sources=("evaluation",))):
        assert entry.tenant == ("acme" if entry.query.id in theirs else "default")
    log.forget(tenants=["acme"])
    assert not theirs & {query.id for query in log.queries()}
