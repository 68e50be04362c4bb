"""Care with models that stumble, with money, and with what is learned about queries later."""

import logging

import pytest

from fusion_agents.answering.policy import AnswerPolicy
from fusion_agents.collecting import collect
from fusion_agents.pool.pool import Pool
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.testing.openai_server import Behaviour, OpenAIServer, Request
from fusion_agents.types import Query, Usage
from tests.collecting.serving import pool_of, queries

ONCE = AnswerPolicy(deadline=5, max_attempts=1)


async def test_a_model_that_stumbles_once_at_the_start_is_not_given_up(
    server: OpenAIServer, log: RoutingLog
) -> None:
    def third_fails(request: Request) -> Behaviour:
        return Behaviour(status=500) if server.hits == 3 else Behaviour(text="2", delay=0.1)

    server.rule = third_fails
    summary = await collect(pool_of(server), queries(60), log, policy=ONCE, concurrency=10)
    assert summary.progress.given_up == {}
    assert (summary.progress.answered, summary.progress.failed) == (59, 1)


async def test_a_model_that_never_answers_is_given_up_after_one_burst(
    server: OpenAIServer, log: RoutingLog
) -> None:
    server.rule = lambda _: Behaviour(status=500, delay=0.05)
    summary = await collect(pool_of(server), queries(200), log, policy=ONCE, concurrency=10)
    assert list(summary.progress.given_up) == ["small"]
    assert server.hits < 40


@pytest.mark.parametrize("cap", [0.01, 0.2])
async def test_a_cap_holds_also_where_answers_are_much_longer_than_expected(
    server: OpenAIServer, log: RoutingLog, cap: float
) -> None:
    each = 20_000 * 2.0 / 1e6
    server.rule = lambda _: Behaviour(
        text="2", delay=0.02, usage=Usage(input_tokens=10, output_tokens=20_000)
    )
    pool = Pool(
        {
            "a": {
                "model": "a",
                "base_url": server.base_url,
                "price": {"input": 0.0, "output": 2.0},
            }
        }
    )
    summary = await collect(pool, queries(100), log, budget=cap, concurrency=40)
    assert summary.stopped == "budget"
    assert summary.progress.spent <= cap + 2 * each  # the two whose length nobody knew


async def test_a_ground_truth_that_comes_later_is_used(
    server: OpenAIServer, log: RoutingLog
) -> None:
    server.rule = lambda _: Behaviour(text="The answer is 3.")
    pool = pool_of(server)
    await collect(pool, ["1 + 2?"], log)
    assert [entry.performance for entry in log.scan()] == [None]

    later = Query(text="1 + 2?", ground_truth="3", metric="number")
    summary = await collect(pool, [later], log)
    assert server.hits == 1
    assert summary.progress.answered_before == 1
    assert [entry.performance for entry in log.scan()] == [1.0]


async def test_another_ground_truth_than_the_logs_is_told(
    server: OpenAIServer, log: RoutingLog, caplog: pytest.LogCaptureFixture
) -> None:
    pool = pool_of(server)
    await collect(pool, [Query(text="1 + 2?", ground_truth="4", metric="number")], log)
    with caplog.at_level(logging.WARNING):
        await collect(pool, [Query(text="1 + 2?", ground_truth="3", metric="number")], log)
    assert "has another ground truth or metric in the log" in caplog.text
