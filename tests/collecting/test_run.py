"""What is collected is paid once, whatever happens."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import fusion_agents.collecting
from fusion_agents.answering.policy import AnswerPolicy
from fusion_agents.collecting import Collector, CollectProgress, collect
from fusion_agents.errors import ConfigError, StoreError
from fusion_agents.pool.pool import Pool
from fusion_agents.stores.exporting import export_log
from fusion_agents.stores.importing import import_files
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.testing.fake_chat import FakeChatModel
from fusion_agents.testing.openai_server import Behaviour, OpenAIServer, Request
from fusion_agents.types import Arm, Query, Usage
from tests.collecting.serving import HASTY, pool_of, queries


def right(request: Request) -> Behaviour:
    first = request.text.removeprefix("How much is ").partition(" ")[0]
    return Behaviour(text=f"It is {int(first) + 1}.")


async def test_every_arm_is_asked_every_query_and_scored(
    server: OpenAIServer, log: RoutingLog
) -> None:
    server.rule = right
    pool = pool_of(server, "small", "large")

    summary = await collect(pool, queries(5), log, strategies=["direct", "think"])

    assert summary.complete
    assert summary.progress.planned == summary.progress.answered == 20
    assert summary.progress.scored == 20
    entries = list(log.scan())
    assert Counter(str(entry.arm) for entry in entries) == {
        "small@direct": 5,
        "small@think": 5,
        "large@direct": 5,
        "large@think": 5,
    }
    assert {entry.performance for entry in entries} == {1.0}
    assert {entry.source for entry in entries} == {"collect"}
    assert all(entry.cost and not entry.cost_estimated for entry in entries)
    assert sum(entry.cost or 0 for entry in entries) == pytest.approx(summary.progress.spent)


async def test_a_finished_collection_asks_nobody_again(
    server: OpenAIServer, log: RoutingLog
) -> None:
    pool = pool_of(server)
    await collect(pool, queries(5), log)
    again = await collect(pool, queries(5), log)
    assert server.hits == 5
    assert (again.progress.answered, again.progress.answered_before) == (0, 5)
    assert again.progress.done == again.progress.planned == 5


async def test_what_is_new_is_asked_and_nothing_else(server: OpenAIServer, log: RoutingLog) -> None:
    await collect(pool_of(server), queries(5), log)
    await collect(pool_of(server, "small", "large"), queries(6), log)
    assert Counter(r.model for r in server.requests) == {"small": 6, "large": 6}


@pytest.mark.parametrize(
    ("settings", "asked_again"),
    [
        ({"temperature": 0.5}, True),
        ({"max_tokens": 10}, True),
        ({"price": {"input": 9.0, "output": 9.0}}, False),
        ({"description": "another"}, False),
    ],
)
async def test_settings_that_shape_answers_make_another_call(
    server: OpenAIServer, log: RoutingLog, settings: dict[str, Any], asked_again: bool
) -> None:
    await collect(pool_of(server), queries(1), log)
    await collect(pool_of(server, **settings), queries(1), log)
    assert server.hits == 1 + asked_again


async def test_a_server_that_moved_is_the_same_model(log: RoutingLog) -> None:
    for hits in (3, 0):
        with OpenAIServer() as server:
            await collect(pool_of(server), queries(3), log)
            assert server.hits == hits


async def test_a_query_that_is_given_twice_is_asked_once(
    server: OpenAIServer, log: RoutingLog
) -> None:
    summary = await collect(pool_of(server), queries(3) * 100, log)
    assert server.hits == 3
    assert summary.progress.done == summary.progress.planned == 300


async def test_an_arm_can_be_asked_several_times(server: OpenAIServer, log: RoutingLog) -> None:
    await collect(pool_of(server), queries(2), log, samples=3)
    assert sorted(entry.sample for entry in log.scan()) == [0, 0, 1, 1, 2, 2]


async def test_an_error_is_an_entry_and_is_tried_again_by_the_next_run(
    server: OpenAIServer, log: RoutingLog
) -> None:
    server.rule = lambda _: Behaviour(status=400, message="no such thing")
    summary = await collect(pool_of(server), queries(2), log, policy=HASTY)
    assert summary.complete
    assert summary.progress.errors == {"bad_request": 2}
    assert "no such thing" in summary.progress.reasons["bad_request"]
    assert [(e.error, e.response, e.performance) for e in log.scan()] == [
        ("bad_request", None, None)
    ] * 2

    kept = await collect(pool_of(server), queries(2), log, retry_errors=False)
    assert (kept.progress.failed_before, server.hits) == (2, 2)

    server.rule = right
    await collect(pool_of(server), queries(2), log)
    assert Counter(entry.error for entry in log.scan()) == {"bad_request": 2, None: 2}


async def test_one_retry_loop_asks_as_often_as_the_policy_says(
    server: OpenAIServer, log: RoutingLog
) -> None:
    server.rule = lambda _: Behaviour(status=500)
    policy = HASTY.model_copy(update={"max_attempts": 4, "attempts_per_arm": 4})
    await collect(pool_of(server), queries(1), log, policy=policy)
    assert server.hits == 4


async def test_calls_are_made_side_by_side_but_never_more_than_allowed(
    server: OpenAIServer, log: RoutingLog
) -> None:
    server.rule = lambda _: Behaviour(text="1", delay=0.1)
    await collect(pool_of(server, "a", "b", "c"), queries(10), log, concurrency=6)
    assert 3 <= server.peak <= 6


async def test_a_model_whose_key_is_refused_is_left_and_the_run_names_it(
    server: OpenAIServer, log: RoutingLog
) -> None:
    server.rule = lambda r: Behaviour(status=401) if r.model == "bad" else Behaviour(text="1")
    summary = await collect(pool_of(server, "bad", "good"), queries(50), log, policy=HASTY)
    asked = Counter(request.model for request in server.requests)
    assert asked["bad"] <= 3
    assert asked["good"] == 50
    assert list(summary.progress.given_up) == ["bad"]
    assert "auth" in summary.progress.given_up["bad"]
    assert not summary.complete


async def test_a_dead_model_is_given_up_while_the_others_go_on(
    server: OpenAIServer, log: RoutingLog
) -> None:
    server.rule = lambda r: Behaviour(reset=True) if r.model == "dead" else Behaviour(text="1")
    summary = await collect(pool_of(server, "dead", "good"), queries(50), log, policy=HASTY)
    asked = Counter(request.model for request in server.requests)
    assert asked["good"] == 50
    assert asked["dead"] < 20
    assert "connection" in summary.progress.given_up["dead"]


async def test_a_model_that_dies_in_the_middle_is_given_up_after_some_tries(
    server: OpenAIServer, log: RoutingLog
) -> None:
    asked: Counter[str] = Counter()

    def dying(request: Request) -> Behaviour:
        asked[request.model] += 1
        dead = request.model == "dying" and asked["dying"] > 10
        return Behaviour(reset=True) if dead else Behaviour(text="1")

    server.rule = dying
    summary = await collect(
        pool_of(server, "dying", "good"), queries(60), log, policy=HASTY, concurrency=4
    )
    assert asked["good"] == 60
    assert list(summary.progress.given_up) == ["dying"]
    assert summary.progress.answered == 70
    assert 3 <= summary.progress.errors["connection"] < 20

    server.rule = None
    again = await collect(pool_of(server, "dying", "good"), queries(60), log, policy=HASTY)
    assert again.complete
    assert again.progress.answered == 50


async def test_a_provider_that_asks_for_a_pause_gets_it(
    server: OpenAIServer, log: RoutingLog
) -> None:
    server.script(Behaviour(status=429, retry_after="1"))
    summary = await collect(pool_of(server), queries(3), log, policy=HASTY, concurrency=1)
    first, second, *_ = (request.time for request in server.requests)
    assert second - first >= 0.95
    assert summary.progress.answered == 3


async def test_the_budget_is_kept_and_the_next_run_goes_on(
    server: OpenAIServer, log: RoutingLog
) -> None:
    price = Usage(input_tokens=10, output_tokens=100)
    server.rule = lambda _: Behaviour(text="1", usage=price)
    pool = pool_of(server, max_tokens=100)
    cost = (10 + 200) / 1e6

    summary = await collect(pool, queries(50), log, budget=20.5 * cost, concurrency=4)
    assert summary.stopped == "budget"
    assert not summary.complete
    assert 15 * cost <= summary.progress.spent <= 20.5 * cost

    stuck = await collect(pool, queries(50), log, budget=20.5 * cost)
    assert stuck.progress.spent_before == pytest.approx(summary.progress.spent)
    assert stuck.progress.spent + stuck.progress.spent_before <= 20.5 * cost

    done = await collect(pool, queries(50), log, budget=100 * cost)
    assert done.complete
    assert server.hits == 50


async def test_a_budget_without_prices_is_refused_before_any_call(
    server: OpenAIServer, log: RoutingLog
) -> None:
    pool = Pool({"small": {"model": "small", "base_url": server.base_url}})
    with pytest.raises(ConfigError, match=r"budget needs the prices of all models.*small"):
        await collect(pool, queries(1), log, budget=1.0)
    assert server.hits == 0


async def test_a_missing_key_is_refused_before_any_call(
    server: OpenAIServer, log: RoutingLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    server_table = {"model": "good", "base_url": server.base_url}
    with pytest.raises(ConfigError, match="OPENAI_API_KEY"):
        await collect({"good": server_table, "bad": "openai:gpt-5-mini"}, queries(3), log)
    assert server.hits == 0


async def test_a_cost_without_reported_usage_is_an_estimate(
    server: OpenAIServer, log: RoutingLog
) -> None:
    server.rule = lambda _: Behaviour(text="x" * 400, usage=None)
    summary = await collect(pool_of(server), [Query(text="y" * 40)], log)
    (entry,) = log.scan()
    assert entry.cost_estimated
    assert entry.cost == pytest.approx((10 * 1.0 + 100 * 2.0) / 1e6)
    assert entry.usage == Usage()
    assert summary.progress.estimated == 1


async def test_a_stopped_run_keeps_what_it_had_and_the_next_does_the_rest(
    server: OpenAIServer, log: RoutingLog
) -> None:
    server.rule = lambda _: Behaviour(text="1", delay=0.05)
    pool = pool_of(server)

    def stop_soon(progress: CollectProgress) -> None:
        if progress.answered == 10:
            collector.stop(grace=5.0)

    collector = Collector(pool, pool.arms, queries(40), log, concurrency=4, on_progress=stop_soon)
    summary = await collector.run()

    assert summary.stopped == "interrupted"
    assert 10 <= log.count() == server.hits <= 18, "what was under way had time to end"
    await collect(pool, queries(40), log)
    assert server.hits == log.count() == 40


async def test_a_cancelled_run_repeats_only_what_was_under_way(
    server: OpenAIServer, log: RoutingLog
) -> None:
    server.rule = lambda _: Behaviour(text="1", delay=0.05)
    ten = asyncio.Event()

    def count(progress: CollectProgress) -> None:
        if progress.answered >= 10:
            ten.set()

    task = asyncio.create_task(
        collect(pool_of(server), queries(40), log, concurrency=4, on_progress=count)
    )
    await ten.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    stored = log.count()
    assert log.ledger.totals().under_way <= 4

    summary = await collect(pool_of(server), queries(40), log)
    assert summary.progress.answered == 40 - stored
    assert server.hits <= 44
    assert 0 < summary.cut_off <= 4


async def test_nothing_is_asked_once_the_log_cannot_be_written(
    server: OpenAIServer, log: RoutingLog
) -> None:
    server.rule = lambda _: Behaviour(text="1", delay=0.02)

    def close_soon(progress: CollectProgress) -> None:
        if progress.answered == 5:
            log.close()

    with pytest.raises(StoreError):
        await collect(pool_of(server), queries(100), log, concurrency=2, on_progress=close_soon)
    hits = server.hits
    await asyncio.sleep(0.1)
    assert server.hits == hits < 12


async def test_a_metric_that_fails_leaves_the_answer_unscored_for_the_next_run(
    server: OpenAIServer, log: RoutingLog
) -> None:
    query = Query(text="1 + 1?", ground_truth="2", metric="no-such-metric")
    summary = await collect(pool_of(server), [query], log)
    assert (summary.progress.answered, summary.progress.unscored) == (1, 1)
    assert "no-such-metric" in summary.progress.reasons["unscored (no-such-metric)"]
    assert [entry.performance for entry in log.scan()] == [None]
    assert len(list(log.ledger.unscored())) == 1


async def test_answers_that_were_not_scored_are_scored_by_the_next_run(
    server: OpenAIServer, log: RoutingLog
) -> None:
    server.rule = right
    await collect(pool_of(server), queries(3), log, score=False)
    assert {entry.performance for entry in log.scan()} == {None}
    summary = await collect(pool_of(server), queries(3), log)
    assert (summary.progress.scored, server.hits) == (3, 3)
    assert {entry.performance for entry in log.scan()} == {1.0}


async def test_a_response_that_is_no_unicode_is_kept(log: RoutingLog) -> None:
    pool = Pool({"odd": FakeChatModel(answer="half \ud800 a pair")})
    await collect(pool, ["What?"], log)
    assert [entry.response for entry in log.scan()] == ["half ? a pair"]


async def test_a_query_that_cannot_be_stored_is_not_asked(
    server: OpenAIServer, log: RoutingLog
) -> None:
    summary = await collect(
        pool_of(server), [Query(id="q", text="1?"), Query(id="q", text="2?")], log, concurrency=1
    )
    assert (summary.progress.answered, summary.progress.refused, server.hits) == (1, 1, 1)
    assert "two different texts" in summary.progress.reasons["refused"]


async def test_rows_are_the_same_at_any_concurrency(server: OpenAIServer, tmp_path: Path) -> None:
    server.rule = right
    rows = []
    for name, concurrency in (("one", 1), ("many", 16)):
        with RoutingLog(tmp_path / name) as log:
            await collect(pool_of(server, "a", "b"), queries(10), log, concurrency=concurrency)
            rows.append(
                sorted(entry.model_dump_json(exclude={"time", "latency"}) for entry in log.scan())
            )
    assert rows[0] == rows[1]


@pytest.mark.parametrize("name", ["FusionBench.csv", "FusionBench.parquet"])
async def test_a_collection_in_the_columns_of_fusionbench_reads_as_the_same_log(
    server: OpenAIServer, log: RoutingLog, tmp_path: Path, name: str
) -> None:
    server.rule = right
    several = Query(text="How much is 6 + 1?", task="sums", ground_truth=("7", "seven"))
    asked = [*queries(3), several]
    await collect(pool_of(server), asked, log, strategies=["direct", "think"])
    export_log(log, tmp_path / name, "fusionbench")
    with RoutingLog(tmp_path / "again.db") as again:
        import_files([tmp_path / name], again)
        assert list(again.scan()) == list(log.scan())


async def test_an_iterator_of_queries_serves_all_models(
    server: OpenAIServer, log: RoutingLog
) -> None:
    def given() -> Iterator[str]:
        yield from ("1?", "2?")

    await collect(pool_of(server, "a", "b"), given(), log)
    assert log.count() == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"strategies": ["guess"]}, "unknown strategy 'guess'"),
        ({"arms": ["large@direct"]}, "no model 'large'"),
        ({"arms": []}, "nobody to ask"),
        ({"arms": ["small"], "strategies": ["direct"]}, "either arms or strategies"),
    ],
)
async def test_what_cannot_be_asked_is_refused(
    server: OpenAIServer, log: RoutingLog, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        await collect(pool_of(server), queries(1), log, **options)


async def test_exactly_these_arms_are_asked(server: OpenAIServer, log: RoutingLog) -> None:
    arms = ["a@think", Arm(model="b")]
    await collect(pool_of(server, "a", "b"), queries(1), log, arms=arms)
    assert sorted(str(entry.arm) for entry in log.scan()) == ["a@think", "b@direct"]


def test_the_packages_name_is_not_in_the_functions_way() -> None:
    assert fusion_agents.collect is collect


def test_the_usual_policy_bounds_every_call() -> None:
    assert isinstance(fusion_agents.collecting.POLICY, AnswerPolicy)
    assert fusion_agents.collecting.POLICY.deadline <= 600


@pytest.mark.parametrize(
    "numbers",
    [
        *({"concurrency": 0}, {"concurrency": -1}, {"samples": 0}, {"samples": -1}),
        *({"budget": float("nan")}, {"budget": -1.0}),
    ],
    ids=str,
)
async def test_numbers_with_which_nothing_would_be_asked_are_refused(
    numbers: dict[str, Any], server: OpenAIServer, log: RoutingLog
) -> None:
    with pytest.raises(ConfigError, match=next(iter(numbers))):
        await collect(pool_of(server, "small"), queries(2), log, **numbers)


@pytest.mark.parametrize("one", ["How much is 1 + 1?", Query(text="How much is 1 + 1?")])
async def test_a_single_query_is_not_taken_for_several(
    one: Any, server: OpenAIServer, log: RoutingLog
) -> None:
    with pytest.raises(ConfigError, match="list"):
        await collect(pool_of(server, "small"), one, log)
    assert not server.hits


class Once:
    """Gives its queries once, and is no iterator itself."""

    def __init__(self) -> None:
        self.left = iter(queries(6))

    def __iter__(self) -> Iterator[Query]:
        return self.left


async def test_every_model_is_asked_queries_that_are_given_once(
    server: OpenAIServer, log: RoutingLog
) -> None:
    server.rule = right
    summary = await collect(pool_of(server, "small", "large"), Once(), log)
    assert summary.progress.planned == summary.progress.answered == 12
