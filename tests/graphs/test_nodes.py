import logging
import threading
from pathlib import Path

import pytest
from langchain_core.messages import HumanMessage, RemoveMessage
from langgraph.checkpoint.memory import InMemorySaver

from fusion_agents.errors import (
    AnswerError,
    ConfigError,
    DataError,
    FusionError,
    SchemaTooNewError,
    StoreError,
)
from fusion_agents.graphs.nodes import STORE_RETRIES, QueryNodes, may_pass
from fusion_agents.graphs.query_level import build_query_level_graph
from fusion_agents.graphs.state import kept_answer
from fusion_agents.steps.query_steps import QuerySteps
from fusion_agents.testing.fake_chat import FakeChatModel
from tests.chain_cases import models_that_say_where_they_are_made
from tests.graphs.parts import QUESTION, FlakyLog, busy, make_steps


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (StoreError("the log is locked"), True),
        (ConnectionResetError("the store went away"), True),
        (SchemaTooNewError("newer"), False),
        (AnswerError("401"), False),
        (ConfigError("400"), False),
        (ValueError("400"), False),
        (TimeoutError("slow"), False),
    ],
)
def test_only_faults_of_a_store_may_pass(error: Exception, passes: bool) -> None:
    assert may_pass(error) is passes


def test_a_busy_log_is_tried_again(tmp_path: Path) -> None:
    with FlakyLog(tmp_path / "routing.db", before=[busy(), busy()]) as log:
        state = build_query_level_graph(make_steps(log)).invoke(QUESTION)
        assert [entry.key for entry in log.scan()] == state["entries"]
        assert log.appended == 3


async def test_an_event_loop_does_not_wait_while_models_are_made() -> None:
    models, threads = models_that_say_where_they_are_made()

    await build_query_level_graph(make_steps(**models)).ainvoke(QUESTION)

    assert len(threads) == len(models)
    assert threading.main_thread() not in threads


async def test_what_was_stored_before_a_fault_is_not_stored_twice(tmp_path: Path) -> None:
    model = FakeChatModel(model="small")
    with FlakyLog(tmp_path / "routing.db", after=[busy(), busy(), busy()]) as log:
        state = await build_query_level_graph(make_steps(log, small=model)).ainvoke(QUESTION)
        assert [entry.key for entry in log.scan()] == state["entries"]
        assert (log.count(), log.appended, model.calls) == (1, 4, 1)


@pytest.mark.parametrize(
    ("error", "tries"),
    [(busy(), STORE_RETRIES.max_attempts), (SchemaTooNewError("newer"), 1), (DataError("no"), 1)],
)
def test_an_answer_is_not_lost_because_the_log_cannot_be_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, error: FusionError, tries: int
) -> None:
    with FlakyLog(tmp_path / "routing.db", before=[error] * 9) as log:
        with caplog.at_level(logging.WARNING, "fusion_agents"):
            state = build_query_level_graph(make_steps(log)).invoke(QUESTION)
        assert log.appended == tries
    assert state["messages"][-1].content.startswith("small")
    assert state["entries"] == []
    assert f"the attempts of turn {state['turn']['key']} are not in the log" in caplog.text


def test_without_a_log_nothing_is_recorded() -> None:
    assert build_query_level_graph(make_steps()).invoke(QUESTION)["entries"] == []


def test_steps_are_made_once_by_the_first_run_that_needs_them() -> None:
    made: list[QuerySteps] = []
    gate = threading.Barrier(4, timeout=10)

    def make() -> QuerySteps:
        made.append(make_steps())
        return made[-1]

    nodes = QueryNodes(make)
    found: list[QuerySteps] = []

    def want() -> None:
        gate.wait()
        found.append(nodes.steps())

    threads = [threading.Thread(target=want) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert found == made * 4


async def test_steps_that_could_not_be_made_are_made_by_a_later_run() -> None:
    found: list[QuerySteps | FusionError] = [ConfigError("no models yet"), make_steps()]
    loops: list[bool] = []

    def make() -> QuerySteps:
        loops.append(threading.current_thread() is threading.main_thread())
        next_one = found.pop(0)
        if isinstance(next_one, FusionError):
            raise next_one
        return next_one

    graph = build_query_level_graph(make)
    with pytest.raises(ConfigError, match="no models yet"):
        await graph.ainvoke(QUESTION)
    assert (await graph.ainvoke(QUESTION))["messages"][-1].content
    assert loops == [False, False]


def test_an_answer_whose_message_was_removed_is_not_recorded_as_something_else() -> None:
    graph = build_query_level_graph(make_steps(), checkpointer=InMemorySaver())
    thread = {"configurable": {"thread_id": "1"}}
    state = graph.invoke(QUESTION, thread)  # type: ignore[arg-type]
    removed = {"messages": [RemoveMessage(id=state["answer"]["message_id"])]}
    graph.update_state(thread, removed)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="holds no answer"):
        kept_answer(graph.get_state(thread).values)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="holds no answer"):
        kept_answer({"messages": [HumanMessage("2 + 2?")]})
