"""Other arms are tried on purpose, in every face, and the log says how likely that was."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.utils.uuid import uuid7

from fusion_agents.errors import ConfigError
from fusion_agents.graphs.query_level import build_query_level_graph
from fusion_agents.middleware import FusionRouterMiddleware
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.testing.fake_chat import FakeChatModel
from fusion_agents.types import LogEntry
from tests.chain_cases import QUICK, SUM, make_chain, models, write_log
from tests.middleware.agents import agent, ask


@pytest.fixture
def log(tmp_path: Path) -> Iterator[RoutingLog]:
    with write_log(tmp_path / "log.db") as opened:
        yield opened


def new(log: RoutingLog) -> list[LogEntry]:
    return [entry for entry in log.scan() if entry.source == "fusion"]


def test_nothing_is_tried_by_default(log: RoutingLog) -> None:
    chain = make_chain(log, record=True)
    for _ in range(8):
        assert chain.invoke(SUM).content == "42"
    assert {entry.propensity for entry in new(log)} == {1.0}


def test_the_log_has_the_propensity_of_the_arm_that_was_chosen(log: RoutingLog) -> None:
    chain = make_chain(log, record=True, explore=0.5)
    chain.batch([SUM] * 60)
    chosen = Counter((entry.arm.model, entry.propensity) for entry in new(log))
    assert chosen.keys() == {("calculator", 0.75), ("historian", 0.25)}
    assert 1 < chosen["historian", 0.25] < 38  # drawn anew each time: beyond five sigma


async def test_a_run_that_is_repeated_chooses_the_same_arm(log: RoutingLog) -> None:
    chain = make_chain(log, explore="epsilon:0.9")
    for _ in range(10):
        config: Any = {"run_id": uuid7()}
        arms = {chain.route(SUM, config).arm, (await chain.aroute(SUM, config)).arm}
        arms.add(chain.route(SUM, config).arm)
        assert len(arms) == 1


def test_a_fallback_is_certain_once_the_chosen_arm_has_failed(log: RoutingLog) -> None:
    failing = FakeChatModel(error=ConnectionError("gone"))
    chain = make_chain(log, models=models(calculator=failing), record=True, explore=0.5)
    for _ in range(50):  # drawn anew each time: one in a million that an arm is never drawn
        chain.invoke(SUM)
    propensities = {(entry.error, entry.propensity) for entry in new(log)}
    assert propensities == {("connection", 0.75), (None, 1.0), (None, 0.25)}


def test_a_graph_keeps_the_arm_that_was_drawn(log: RoutingLog) -> None:
    graph = build_query_level_graph(make_chain(log, record=True, explore=1.0).steps)
    for _ in range(20):
        state = graph.invoke({"messages": [("user", SUM)]})
        found = state["messages"][-1].response_metadata["fusion"]
        assert found["arm"] == found["answered_by"]
        assert found["propensity"] == state["route"]["propensity"] == 0.5
    assert {entry.propensity for entry in new(log)} == {0.5}
    assert {entry.arm.model for entry in new(log)} == {"calculator", "historian"}


def test_an_agent_tries_arms_at_the_first_question_and_not_in_mid_conversation(
    log: RoutingLog,
) -> None:
    router: Any = FusionRouterMiddleware.from_log(
        log, models=models(), router="knn", policy=QUICK, explore=1.0
    )
    made = agent(router)
    tried = set()
    for _ in range(20):
        first = made.invoke(ask(SUM))
        tried.add(first["fusion_route"]["arm"])
        assert first["fusion_route"]["propensity"] == 0.5
        again = made.invoke(ask(SUM, *first["messages"]))
        assert again["fusion_route"]["propensity"] == 1.0
    assert tried == {"calculator@direct", "historian@direct"}


@pytest.mark.parametrize("wrong", [1.5, "greedy:0.1", -0.1])
def test_a_rate_that_means_nothing_is_refused(log: RoutingLog, wrong: Any) -> None:
    with pytest.raises(ConfigError, match="cannot read exploration"):
        make_chain(log, explore=wrong)
