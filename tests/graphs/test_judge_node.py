"""The node that judges: passed by where nobody judges, and its verdict is kept once."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from fusion_agents.graphs.query_level import build_query_level_graph
from fusion_agents.steps.judging import JudgePolicy
from fusion_agents.steps.query_steps import QuerySteps
from fusion_agents.stores.routing_log import RoutingLog
from tests.graphs.parts import QUESTION, FlakyLog, busy, make_steps
from tests.judge_cases import WordJudge

THREAD: Any = {"configurable": {"thread_id": "1"}}


@pytest.fixture
def log(tmp_path: Path) -> Iterator[RoutingLog]:
    with RoutingLog(tmp_path / "routing.db") as opened:
        yield opened


def judged_by(judge: WordJudge, log: RoutingLog | None = None, **policy: Any) -> QuerySteps:
    steps = make_steps(log)
    steps.judging = JudgePolicy(judge, **policy)
    return steps


def nodes(steps: QuerySteps) -> list[str]:
    updates = build_query_level_graph(steps).stream(QUESTION, stream_mode="updates")
    return [name for update in updates for name in update]


async def test_the_answer_is_judged_before_it_is_recorded(log: RoutingLog) -> None:
    judge = WordJudge(word="primes")
    graph = build_query_level_graph(judged_by(judge, log))
    for state in (graph.invoke(QUESTION), await graph.ainvoke(QUESTION)):
        assert [message.type for message in state["messages"]] == ["human", "ai"]
        evidence = state["messages"][-1].response_metadata["fusion"]
        assert evidence["judgement"]["score"] == state["judgement"]["score"] == 1.0
        assert [state["judgement"]["entry_key"]] == state["entries"]
        rest = {name: value for name, value in state.items() if name != "messages"}
        assert json.loads(json.dumps(rest)) == rest
    assert [(one.judge, one.score, one.source) for one in log.judgements()] == [
        ("words", 1.0, "fusion")
    ] * 2


def test_turns_that_are_not_judged_pass_the_node_by() -> None:
    straight = ["classify", "answer", "record"]
    assert nodes(make_steps()) == straight
    assert nodes(judged_by(WordJudge(), when="deferred")) == straight
    assert nodes(judged_by(WordJudge(), rate=0.0)) == straight
    assert nodes(judged_by(WordJudge())) == ["classify", "answer", "judge", "record"]


def test_a_log_that_was_busy_gets_one_verdict_and_the_judge_is_asked_once(tmp_path: Path) -> None:
    judge = WordJudge(word="primes")
    with FlakyLog(tmp_path / "routing.db", before=[busy()], after=[busy(), busy()]) as log:
        build_query_level_graph(judged_by(judge, log)).invoke(QUESTION)
        assert [one.score for one in log.judgements()] == [1.0]
        assert (len(judge.cases), log.count()) == (1, 1)


def test_a_run_that_goes_on_after_judging_does_not_judge_again(log: RoutingLog) -> None:
    judge = WordJudge(word="primes")
    graph = build_query_level_graph(judged_by(judge, log), checkpointer=InMemorySaver())
    graph.invoke(QUESTION, THREAD, interrupt_after=["judge"])
    assert list(log.judgements()) == []
    graph.invoke(None, THREAD)
    graph.update_state(THREAD, {}, as_node="judge")
    graph.invoke(None, THREAD)
    assert [one.score for one in log.judgements()] == [1.0]
    assert len(judge.cases) == 1


def test_a_judge_that_breaks_costs_no_answer(log: RoutingLog) -> None:
    judge = WordJudge(error=OSError("no space"))
    state = build_query_level_graph(judged_by(judge, log)).invoke(QUESTION)
    assert state["judgement"]["score"] is None
    assert "OSError" in state["judgement"]["reason"]
    assert log.count() == 1


def test_the_next_turn_does_not_keep_the_verdict_of_the_last(log: RoutingLog) -> None:
    steps = judged_by(WordJudge(word="primes"), log)
    graph = build_query_level_graph(steps, checkpointer=InMemorySaver())
    assert graph.invoke(QUESTION, THREAD)["judgement"] is not None
    steps.judging = None
    assert graph.invoke(QUESTION, THREAD)["judgement"] is None
    assert len(list(log.judgements())) == 1


def test_the_words_of_the_answer_are_streamed_once() -> None:
    graph = build_query_level_graph(judged_by(WordJudge()))
    chunks = [chunk for chunk, _ in graph.stream(QUESTION, stream_mode="messages")]
    text = "".join(str(chunk.content) for chunk in chunks)  # type: ignore[union-attr]
    assert text == "small was asked: How many primes are below 100?"
