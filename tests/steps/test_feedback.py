"""What users say of answers finds the answers, whatever names them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from langchain_core.messages import AIMessage
from langchain_core.tracers.context import collect_runs
from langchain_core.utils.uuid import uuid7

from fusion_agents.errors import AnswerError, ConfigError, DataError
from fusion_agents.graphs.query_level import build_query_level_graph
from fusion_agents.steps.feedback_file import feed_file
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.testing.fake_chat import FakeChatModel
from tests.chain_cases import KING, SUM, make_chain, models, write_log


@pytest.fixture
def log(tmp_path: Path) -> Iterator[RoutingLog]:
    with write_log(tmp_path / "log.db") as opened:
        yield opened


def said(log: RoutingLog) -> list[tuple[float | None, str]]:
    return [(judgement.score, judgement.source) for judgement in log.judgements(judge="feedback")]


async def test_the_id_of_the_chains_run_names_the_turn(log: RoutingLog) -> None:
    chain = make_chain(log, record=True)
    with collect_runs() as found:
        chain.invoke(SUM)
        await chain.ainvoke(SUM)
        list(chain.stream(SUM))
        [_ async for _ in chain.astream(SUM)]
        chain.batch([SUM, KING])
        chain.as_chat_model().invoke(SUM)
    roots = [run.id for run in found.traced_runs if run.parent_run_id is None]
    assert len(set(roots)) == 7
    for run_id in roots:
        chain.feedback(run_id, True)
    assert len({judgement.entry_key for judgement in log.judgements()}) == 7


def test_a_run_id_that_the_caller_gave_names_the_turn(log: RoutingLog) -> None:
    chain, mine = make_chain(log, record=True), uuid7()
    message = chain.invoke(SUM, {"run_id": mine})
    assert UUID(message.response_metadata["fusion"]["turn"]) == mine
    for name in (mine, str(mine), mine.hex, message):
        chain.feedback(name, "up")
    assert said(log) == [(1.0, "user")] * 4


async def test_in_an_event_loop_it_is_the_same(log: RoutingLog) -> None:
    chain = make_chain(log, record=True)
    message = await chain.ainvoke(SUM)
    kept = await chain.afeedback(message, "2 of 5", comment="meh", source="helpdesk")
    assert (kept.score, kept.reason, kept.source) == (0.25, "meh", "helpdesk")
    assert list(log.judgements()) == [kept]


def test_a_later_change_of_mind_counts(log: RoutingLog) -> None:
    chain = make_chain(log, record=True)
    query = "what is the sum of all of these new numbers"
    message = chain.invoke(query)
    for score in (1, 0, 1, 0):
        chain.feedback(message, score)
    outcomes = log.outcomes()
    row = [asked.text for asked in outcomes.queries].index(query)
    assert len(said(log)) == 4
    assert [score for score in outcomes.judge[row].tolist() if score == score] == [0.0]


def test_each_question_to_the_user_is_a_signal_of_its_own(log: RoutingLog) -> None:
    chain = make_chain(log, record=True)
    message = chain.invoke(SUM)
    chain.feedback(message, 1)
    chain.feedback(message, 0, key="politeness")
    versions = [judgement.judge_version for judgement in log.judgements()]
    assert versions == ["1", "1:politeness"]


def test_feedback_as_langsmith_has_it_is_taken(log: RoutingLog) -> None:
    chain = make_chain(log, record=True)
    turn = chain.invoke(SUM).response_metadata["fusion"]["turn"]
    given = {"run_id": UUID(turn), "key": "user_score", "score": 0.5, "comment": "so so", "id": "7"}
    kept = chain.feedback(given)
    assert (kept.score, kept.reason, kept.judge) == (0.5, "so so", "feedback")


def test_a_comment_may_stand_alone_and_is_no_score(log: RoutingLog) -> None:
    chain = make_chain(log, record=True)
    assert chain.feedback(chain.invoke(SUM), comment="thank you").score is None


def test_the_answer_of_a_graph_is_named_by_its_message(log: RoutingLog) -> None:
    steps = make_chain(log, record=True).steps
    state = build_query_level_graph(steps).invoke({"messages": [("user", SUM)]})
    chain = make_chain(log, record=True)
    chain.feedback(state["messages"][-1], True)
    chain.feedback(f"fusion-{state['turn']['key']}", False)
    assert [judgement.entry_key for judgement in log.judgements()] == state["entries"] * 2


def test_the_attempt_that_answered_gets_the_feedback(log: RoutingLog) -> None:
    failing = FakeChatModel(error=ConnectionError("gone"))
    chain = make_chain(log, models=models(calculator=failing), record=True)
    kept = chain.feedback(chain.invoke(SUM), True)
    (entry,) = [entry for entry in log.scan() if entry.key == kept.entry_key]
    assert (entry.arm.model, entry.error) == ("historian", None)


def test_a_run_that_is_not_in_the_log_is_refused(log: RoutingLog) -> None:
    chain = make_chain(log, record=True)
    with pytest.raises(DataError, match="is not in the log: give the id of the chain's run"):
        chain.feedback(uuid7(), True)
    with pytest.raises(ConfigError, match="names no turn"):
        chain.feedback(AIMessage("hello"), True)
    with pytest.raises(DataError, match="is not in"):
        chain.feedback(chain.invoke(SUM), 3)


def test_a_run_that_was_not_answered_cannot_be_good_or_bad(log: RoutingLog) -> None:
    failing = FakeChatModel(error=ConnectionError("gone"))
    chain = make_chain(log, models=dict.fromkeys(models(), failing), record=True)
    mine = uuid7()
    with pytest.raises(AnswerError):
        chain.invoke(SUM, {"run_id": mine})
    with pytest.raises(DataError, match="has no answer"):
        chain.feedback(mine, True)


def test_where_nothing_is_recorded_there_is_nothing_to_say(log: RoutingLog) -> None:
    chain = make_chain(log)
    with pytest.raises(ConfigError, match="pass `record=`"):
        chain.feedback(chain.invoke(SUM), True)


def test_a_file_may_be_given_again_and_bad_lines_are_told(tmp_path: Path, log: RoutingLog) -> None:
    chain = make_chain(log, record=True)
    turns = [chain.invoke(query).response_metadata["fusion"]["turn"] for query in (SUM, KING)]
    lines: list[Any] = [
        {"run_id": turns[0], "score": True},
        {"run_id": turns[0], "score": False},
        {"run_id": turns[0], "score": True},
        {"run_id": turns[1], "key": "user_score", "value": "4 of 5", "id": "a-7"},
        {"run_id": turns[1], "score": 17},
        {"run_id": str(uuid7()), "score": 1},
        ["no", "dict"],
    ]
    file = tmp_path / "feedback.jsonl"
    file.write_text("\n\n".join([*map(json.dumps, lines), "{"]), encoding="utf-8")
    first, second = feed_file(log, file), feed_file(log, file)
    assert (first.lines, first.stored, first.known, len(first.refusals)) == (8, 4, 0, 4)
    assert (second.stored, second.known) == (0, 4)
    assert [refusal.line for refusal in first.refusals] == [9, 11, 13, 15]
    assert said(log) == [(1.0, "user"), (0.0, "user"), (1.0, "user"), (0.75, "user")]


def test_a_line_of_a_file_that_was_changed_counts_anew(tmp_path: Path, log: RoutingLog) -> None:
    chain = make_chain(log, record=True)
    turn = chain.invoke(SUM).response_metadata["fusion"]["turn"]
    file = tmp_path / "feedback.jsonl"
    for score in (1, 1, 0):
        file.write_text(json.dumps({"run_id": turn, "score": score, "id": "a-7"}))
        feed_file(log, file)
    assert said(log) == [(1.0, "user"), (0.0, "user")]


def test_a_hostile_line_of_a_file_costs_that_line(tmp_path: Path, log: RoutingLog) -> None:
    chain = make_chain(log, record=True)
    turn = chain.invoke(SUM).response_metadata["fusion"]["turn"]
    half = {"run_id": turn, "score": 0.5, "comment": "\ud800 half", "key": "user_score"}
    lines = [
        json.dumps({"run_id": turn, "score": 10**400}),
        "[" * 100_000,
        json.dumps({"run_id": "\ud800", "score": 1}),
        json.dumps(half),
    ]
    file = tmp_path / "feedback.jsonl"
    file.write_text("\n".join(lines))
    summary = feed_file(log, file)
    assert (summary.stored, [refusal.line for refusal in summary.refusals]) == (1, [1, 2, 3])
    assert [one.reason for one in log.judgements()] == ["? half"]
