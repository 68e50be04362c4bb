"""What is noted of calls outlives whatever ends the process, and is noted once."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from fusion_agents.errors import DataError, StoreError
from fusion_agents.stores.exporting import export_log
from fusion_agents.stores.importing import import_files
from fusion_agents.stores.ledger import Intent, KnownCall, Outcome, Scoring, Totals
from fusion_agents.stores.migrations import MIGRATIONS, migrate
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.types import Arm, LogEntry, Query, Usage

ARM = Arm(model="small")
QUERY = Query(text="2 + 2?", ground_truth="4", metric="number")


@pytest.fixture
def log(tmp_path: Path) -> Iterator[RoutingLog]:
    with RoutingLog(tmp_path / "log.db") as opened:
        yield opened


def intent(key: str = "a", query: Query = QUERY, expected: float = 0.5) -> Intent:
    return Intent(key, query, ARM, expected=expected)


def answer(key: str = "a", **fields: object) -> Outcome:
    entry = LogEntry(key=f"entry {key}", query=QUERY, arm=ARM, cost=0.25, **fields)  # type: ignore[arg-type]
    return Outcome(key, entry)


def test_a_call_is_begun_then_ended_with_its_entry(log: RoutingLog) -> None:
    log.ledger.write(intents=[intent()])
    assert log.ledger.known(["a", "b"]) == {"a": KnownCall("intent", 1, 0)}
    assert log.count() == 0

    log.ledger.write([answer(response="4")])

    assert log.ledger.known(["a"]) == {"a": KnownCall("done", 1, 0)}
    assert [entry.response for entry in log.scan()] == ["4"]
    assert log.ledger.totals() == Totals(done=1, attempts=1, cost=0.25)


def test_an_attempt_that_never_ended_counts_as_lost_money(log: RoutingLog) -> None:
    log.ledger.write(intents=[intent()])
    assert log.ledger.totals() == Totals(under_way=1, attempts=1, lost=0.5, cut_off=1)

    log.ledger.write(intents=[intent(expected=0.75)])
    log.ledger.write([answer(response="4")])

    assert log.ledger.totals() == Totals(done=1, attempts=2, cost=0.25, lost=0.5, cut_off=1)


def test_an_error_is_kept_beside_the_answer_of_a_later_attempt(log: RoutingLog) -> None:
    log.ledger.write(intents=[intent()])
    log.ledger.write([answer(error="timeout")])
    assert log.ledger.known(["a"]) == {"a": KnownCall("error", 1, 1)}

    log.ledger.write(intents=[intent()])
    later = Outcome("a", LogEntry(key="later", query=QUERY, arm=ARM, response="4"))
    log.ledger.write([later])

    assert log.ledger.known(["a"]) == {"a": KnownCall("done", 2, 1)}
    assert [entry.error for entry in log.scan()] == ["timeout", None]


def test_a_call_that_was_answered_is_not_begun_again(log: RoutingLog) -> None:
    log.ledger.write(intents=[intent()])
    log.ledger.write([answer(response="4")])
    refused = log.ledger.write(intents=[intent()])
    assert "answered meanwhile" in str(refused["a"])
    assert log.ledger.known(["a"]) == {"a": KnownCall("done", 1, 0)}


def test_an_answer_without_an_intent_is_refused_and_stores_nothing(log: RoutingLog) -> None:
    assert isinstance(log.ledger.write([answer(response="4")])["a"], DataError)
    assert log.count() == 0


def test_what_cannot_be_stored_is_refused_before_it_is_paid_and_alone(log: RoutingLog) -> None:
    other = Query(id=QUERY.id, text="another text")
    refused = log.ledger.write(
        intents=[intent("a"), intent("b", other), intent("c", Query(text="\ud800")), intent("d")]
    )
    assert set(refused) == {"b", "c"}
    assert set(log.ledger.known(["a", "b", "c", "d"])) == {"a", "d"}


def test_a_score_is_given_once_and_its_reason_is_kept(log: RoutingLog) -> None:
    log.ledger.write(intents=[intent()])
    log.ledger.write([answer(response="four")])
    (entry,) = log.ledger.unscored()

    log.ledger.score([Scoring(entry.key, "number", "1", None, "the library is missing")])
    assert [entry.key for entry in log.ledger.unscored()] == ["entry a"]

    log.ledger.score([Scoring(entry.key, "number", "1", 0.0, "no number", "four")])
    assert list(log.ledger.unscored()) == []
    assert [entry.performance for entry in log.scan()] == [0.0]
    assert list(log.ledger.scorings()) == [
        Scoring("entry a", "number", "1", 0.0, "no number", "four")
    ]


def test_entries_that_were_not_collected_are_not_scored(log: RoutingLog) -> None:
    log.append([LogEntry(query=QUERY, arm=ARM, response="4")])
    assert list(log.ledger.unscored()) == []


def test_the_tokens_of_answers_are_known_by_arm(log: RoutingLog) -> None:
    log.ledger.write(intents=[intent("a"), intent("b"), intent("c")])
    log.ledger.write([answer("a", response="4", usage=Usage(output_tokens=10))])
    log.ledger.write([answer("b", response="5", usage=Usage(output_tokens=20))])
    log.ledger.write([answer("c", error="timeout")])
    assert log.ledger.answer_tokens() == {ARM: (20, 2)}


def test_a_log_that_cannot_be_written_notes_nothing(log: RoutingLog) -> None:
    log.close()
    with pytest.raises(StoreError):
        log.ledger.write(intents=[intent()])


def test_a_log_from_before_there_was_a_ledger_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        migrate(connection, MIGRATIONS[:1], what="log")
        connection.execute("INSERT INTO queries (id, query_id, text) VALUES (1, 'q', '2 + 2?')")
        connection.execute(
            "INSERT INTO entries (key, query, model, strategy, propensity, source, tenant, sample,"
            " cost, response) VALUES ('k', 1, 'small', 'direct', 1, 'local', 'default', 0, 1, '4')"
        )
    with RoutingLog(path) as log:
        assert [(entry.key, entry.cost_estimated) for entry in log.scan()] == [("k", False)]
        assert log.ledger.totals() == Totals()


def test_an_estimate_is_told_from_a_cost_that_was_reported() -> None:
    values = {"query": QUERY, "arm": ARM, "cost": 0.5}
    plain, estimate = LogEntry(**values), LogEntry(**values, cost_estimated=True)  # type: ignore[arg-type]
    assert plain.key != estimate.key


@pytest.mark.parametrize("name", ["out.jsonl", "out.parquet", "out.csv"])
def test_every_format_keeps_all_of_an_entry(log: RoutingLog, tmp_path: Path, name: str) -> None:
    entry = LogEntry.model_validate(
        {
            "key": "k",
            "query": {"text": "2 + 2?", "ground_truth": ("4", "four"), "metric": "number"},
            "arm": {"model": "small", "strategy": "think"},
            "model_version": "small-2026-01-01",
            "response": "4",
            "usage": {
                "input_tokens": 9,
                "output_tokens": 8,
                "cached_tokens": 3,
                "reasoning_tokens": 2,
            },
            "cost": 0.1 + 0.2,
            "cost_estimated": True,
            "latency": 1.5,
            "finish_reason": "stop",
            "sample": 2,
            "template_ids": ("t",),
            "source": "collect",
            "time": "2026-01-01T00:00:00.000001Z",
        }
    )
    log.append([entry])
    export_log(log, tmp_path / name)
    with RoutingLog(tmp_path / "again.db") as again:
        import_files([tmp_path / name], again)
        assert list(again.scan()) == [entry]
