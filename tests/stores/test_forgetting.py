"""What is forgotten is gone: from every table, and from every byte of the files."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from fusion_agents.errors import StoreError
from fusion_agents.stores import RoutingLog
from fusion_agents.stores.forgetting import Forgotten
from fusion_agents.stores.ledger import Intent, Outcome, Scoring
from fusion_agents.stores.template_store import TemplateStore
from fusion_agents.types import Arm, Calibration, Judgement, LogEntry, Query, ThoughtTemplate

SMALL = Arm(model="small")


@pytest.fixture
def log(tmp_path: Path) -> Iterator[RoutingLog]:
    with RoutingLog(tmp_path / "log.db") as opened:
        yield opened


def entry(text: str, **fields: object) -> LogEntry:
    return LogEntry.model_validate({"query": Query(text=text), "arm": SMALL, **fields})


def line(judge: str) -> Calibration:
    return Calibration(judge=judge, judge_version="1", scores=(0,), performances=(0,), n=60)


def found_in_files(log: RoutingLog, *texts: str) -> list[str]:
    content = b"".join(path.read_bytes() for path in log.path.parent.glob("log.db*"))
    return [text for text in texts if text.encode() in content]


def fill(log: RoutingLog) -> None:
    """Entries of two sources and two tenants, with planted texts."""
    kept = entry("kept-question", response="kept-answer" * 500)
    shared = entry("shared-question", response="kept-shared-answer")
    log.append([kept, shared])
    gone = [
        entry(f"gone-question-{i} " * 40, response=f"gone-answer-{i} " * 400, source="app")
        for i in range(200)
    ]
    gone += [
        entry("shared-question", response="gone-shared-answer", source="app"),
        entry("gone-tenant-question", response="gone-tenant-answer", tenant="acme"),
    ]
    log.append(gone)
    log.append_judgements(
        [
            Judgement(entry_key=kept.key, score=1, judge="rubric", reason="kept-reason"),
            Judgement(entry_key=gone[0].key, score=1, judge="panel", reason="gone-reason"),
            Judgement(
                entry_key=kept.key, score=1, judge="feedback", reason="gone-remark", source="app"
            ),
        ]
    )
    for judge in ("rubric", "panel", "feedback"):
        log.append_calibration(line(judge))


def test_nothing_of_what_is_forgotten_stays_in_any_byte(log: RoutingLog) -> None:
    fill(log)
    gone = [f"gone-question-{i} " for i in range(200)] + [f"gone-answer-{i} " for i in range(200)]
    gone += ["gone-shared-answer", "gone-tenant", "gone-reason", "gone-remark"]
    kept = ["kept-question", "kept-answer", "shared-question", "kept-shared-answer", "kept-reason"]
    assert found_in_files(log, *gone, *kept) == [*gone, *kept]

    counted = log.forget(sources=["app"], tenants=["acme"])

    assert found_in_files(log, *gone) == []
    assert found_in_files(log, *kept) == kept
    assert counted == Forgotten(entries=202, judgements=2, calibrations=2, queries=201)
    assert [e.query.text for e in log.scan()] == ["kept-question", "shared-question"]
    assert [j.reason for j in log.judgements()] == ["kept-reason"]
    assert [c.judge for c in log.calibrations()] == ["rubric"]
    assert log.forget(sources=["app"], tenants=["acme"]) == Forgotten()


def test_a_dry_run_counts_the_same_and_changes_nothing(log: RoutingLog) -> None:
    fill(log)
    before = log.path.read_bytes(), list(log.scan())

    with RoutingLog(log.path, read_only=True) as reader:
        counted = reader.forget(sources=["app"], dry_run=True)
        assert counted == reader.forget(sources=["app"], dry_run=True)
        assert not reader.forget(sources=["nobody"], tenants=["app"], dry_run=True).anything
        with pytest.raises(StoreError, match="for reading only"):
            reader.forget(sources=["app"])

    assert (log.path.read_bytes(), list(log.scan())) == before
    assert log.forget(sources=["app"]) == counted


def test_paid_calls_and_scorings_go_with_their_entries(log: RoutingLog) -> None:
    mine, theirs = entry("kept-question"), entry("gone-question", source="app")
    log.ledger.write(
        intents=[
            Intent("a", mine.query, SMALL),
            Intent("b", theirs.query, SMALL),
            Intent("c", theirs.query, Arm(model="cut-off")),
            Intent("d", mine.query, Arm(model="cut-off")),
        ]
    )
    log.ledger.write([Outcome("a", mine), Outcome("b", theirs)])
    log.ledger.score(
        [Scoring(e.key, "exact", "1", 1.0, answer=e.query.text) for e in (mine, theirs)]
    )

    assert log.forget(sources=["app"]) == Forgotten(entries=1, scorings=1, calls=2, queries=1)

    assert set(log.ledger.known(["a", "b", "c", "d"])) == {"a", "d"}
    assert [scoring.answer for scoring in log.ledger.scorings()] == ["kept-question"]
    assert found_in_files(log, "gone-question") == []


def test_a_query_with_a_call_that_another_source_needs_stays(log: RoutingLog) -> None:
    answered, asked = entry("shared-question", source="app"), entry("shared-question")
    log.append([answered])
    log.ledger.write(intents=[Intent("a", asked.query, SMALL)])
    log.ledger.write([Outcome("a", asked)])

    assert log.forget(sources=["app"]) == Forgotten(entries=1)

    assert [query.text for query in log.queries()] == ["shared-question"]


def test_a_reader_of_an_older_state_is_waited_for(log: RoutingLog) -> None:
    fill(log)
    began, done = threading.Event(), threading.Event()

    def read() -> None:
        with RoutingLog(log.path, read_only=True) as reader, reader.file.reading() as connection:
            connection.execute("BEGIN")
            connection.execute("SELECT count(*) FROM entries").fetchone()
            began.set()
            done.wait(0.5)

    thread = threading.Thread(target=read)
    thread.start()
    began.wait(10)
    log.forget(sources=["app"])
    done.set()
    thread.join()

    assert found_in_files(log, "gone-question-7", "gone-remark") == []


def test_another_process_may_go_on_writing(log: RoutingLog) -> None:
    fill(log)
    code = """
import sys
from fusion_agents.stores import RoutingLog
from fusion_agents.types import Arm, LogEntry, Query
with RoutingLog(sys.argv[1]) as log:
    for i in range(300):
        entry = LogEntry(query=Query(text=f"new {i}"), arm=Arm(model="small"), response="kept")
        log.append([entry])
        if i == 20:
            print("ready", flush=True)
"""
    arguments = [sys.executable, "-c", code, str(log.path)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"

        assert log.forget(sources=["app"]).entries == 201

        assert writer.wait(60) == 0
    assert log.count() == 300 + 3
    assert found_in_files(log, "gone-question-7 ", "gone-answer-7 ", "gone-remark") == []


def test_templates_go_with_what_they_were_distilled_from(log: RoutingLog) -> None:
    fill(log)
    log.append([entry("both-asked", source="app"), entry("both-asked", tenant="acme")])
    with TemplateStore(log) as store:
        texts = ("gone-question-1 " * 40, "both-asked", "kept-question")
        store.add(
            ThoughtTemplate(problem=f"gone-plan {i}", question=text, query_id=Query(text=text).id)
            for i, text in enumerate(texts[:2])
        )
        store.add(
            [
                ThoughtTemplate(
                    problem="kept-plan", question=texts[2], query_id=Query(text=texts[2]).id
                )
            ]
        )

        counted = log.forget(sources=["app"], tenants=["acme"], dry_run=True)

        assert counted.templates == 2
        assert log.forget(sources=["app"], tenants=["acme"]) == counted
        assert found_in_files(log, "gone-plan", "gone-question-1 ", "both-asked") == []
        assert [hit.template.problem for hit in store.search("kept-question", 3)] == ["kept-plan"]
