"""`fusion-agents collect`: what it asks, says and leaves behind."""

import gzip
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.stores.template_store import TemplateStore
from fusion_agents.testing.openai_server import Behaviour, OpenAIServer
from fusion_agents.types import ThoughtTemplate
from tests.cli.conftest import KEY, Run


@pytest.fixture
def asked(tmp_path: Path) -> Path:
    path = tmp_path / "my.jsonl.gz"
    rows = [
        {"query": f"{i} + 1?", "ground_truth": str(i + 1), "metric": "number", "task": "sums"}
        for i in range(4)
    ]
    with gzip.open(path, "wt") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
        file.write('{"task": "nothing to ask"}\n')
    return path


def arguments(models: Path, asked: Path, tmp_path: Path) -> list[object]:
    log = tmp_path / "routing.db"
    return ["collect", "--models", models, "--queries", asked, "--log", log]


def test_queries_of_a_file_are_collected_and_scored(
    run: Run, server: OpenAIServer, models: Path, asked: Path, tmp_path: Path
) -> None:
    server.rule = lambda _: Behaviour(text="It is 1.")
    command = [*arguments(models, asked, tmp_path), "--strategies", "direct,think"]

    said = run(*command).stderr
    assert "collected 16 answers" in said
    assert "16 scored; spent $0.00" in said
    assert "warning: " in said
    assert "no query" in said
    with RoutingLog(tmp_path / "routing.db") as log:
        entries = list(log.scan())
    assert {entry.query.task for entry in entries} == {"sums"}
    assert sorted({entry.performance for entry in entries}) == [0.0, 1.0]

    assert "16 were answered before" in run(*command).stderr
    assert server.hits == 16


def test_thought_templates_of_the_log_are_shown(
    run: Run, server: OpenAIServer, models: Path, asked: Path, tmp_path: Path
) -> None:
    with RoutingLog(tmp_path / "routing.db") as log:
        TemplateStore(log).add(
            ThoughtTemplate(problem="Add one.", question=f"{n} + {n}?", query_id=f"{n}")
            for n in range(50, 53)
        )
    command = [*arguments(models, asked, tmp_path), "--strategies", "direct,thought"]
    assert "collected 16 answers" in run(*command).stderr
    with RoutingLog(tmp_path / "routing.db") as log:
        shown = {entry.arm.strategy for entry in log.scan() if entry.template_ids}
        assert log.count() == 16
    assert shown == {"thought"}
    assert "16 were answered before" in run(*command).stderr
    assert server.hits == 16


def test_a_dry_run_shows_the_calls_and_asks_nobody(
    run: Run, server: OpenAIServer, models: Path, asked: Path, tmp_path: Path
) -> None:
    said = run(*arguments(models, asked, tmp_path), "--dry-run").stdout
    assert "8 calls to make" in said
    assert "small@direct" in said
    assert "estimated cost: $0." in said
    assert server.hits == 0
    assert not (tmp_path / "routing.db").exists()


def test_a_budget_stops_the_run_and_says_how_to_go_on(
    run: Run,
    server: OpenAIServer,
    models: Path,
    asked: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    command = [*map(str, arguments(models, asked, tmp_path)), "--budget", "0.0000001"]
    monkeypatch.setattr("sys.argv", ["fusion-agents", *command])
    said = run(*command, code=2).stderr
    assert "the budget is used up" in said
    assert f"to go on:\n  {shlex.join(['fusion-agents', *command])}\n" in said
    assert server.hits == 0


def test_a_model_whose_key_is_refused_is_named_without_its_key(
    run: Run, server: OpenAIServer, models: Path, asked: Path, tmp_path: Path
) -> None:
    server.rule = lambda r: (
        Behaviour(status=401, echo_key=True) if r.model == "large-model" else None
    )
    said = run(*arguments(models, asked, tmp_path), code=2).stderr
    assert "large was not asked any more: auth" in said
    assert KEY not in said
    assert KEY.encode() not in (tmp_path / "routing.db").read_bytes()


def test_answers_are_scored_later_without_asking_anybody(
    run: Run, server: OpenAIServer, models: Path, asked: Path, tmp_path: Path
) -> None:
    run(*arguments(models, asked, tmp_path), "--no-score")
    hits = server.hits
    log = tmp_path / "routing.db"
    assert "scored 8 answers" in run("collect", "--score-only", "--log", log).stderr
    assert server.hits == hits


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "say what to ask"),
        (["--tasks", "no-such-task"], "unknown task 'no-such-task'"),
        (["--tasks", "gsm8k", "--split", "dev"], "--split must be train or test"),
    ],
)
def test_what_cannot_be_asked_is_said_in_a_line(
    run: Run, models: Path, options: list[str], message: str
) -> None:
    said = run("collect", "--models", models, *options, code=2).stderr
    assert message in said
    assert "Traceback" not in said


def test_there_must_be_a_log_to_score(run: Run, tmp_path: Path) -> None:
    said = run("collect", "--score-only", "--log", tmp_path / "none.db", code=2).stderr
    assert "there is no log" in said


def test_being_told_to_end_keeps_what_was_answered_and_says_how_to_go_on(
    server: OpenAIServer, models: Path, tmp_path: Path
) -> None:
    server.rule = lambda _: Behaviour(text="1", delay=0.3)
    asked = tmp_path / "many.txt"
    asked.write_text("".join(f"{i} + 1?\n" for i in range(500)))
    command = map(str, [*arguments(models, asked, tmp_path), "--concurrency", "4"])
    process = subprocess.Popen(
        [sys.executable, "-m", "fusion_agents", *command],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OPENAI_API_KEY": KEY},
    )
    deadline = time.monotonic() + 60
    while server.hits < 8 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=20)[1]
    assert process.returncode == 130, said
    assert "to go on:\n  fusion-agents collect" in said
    assert "Traceback" not in said
    with RoutingLog(tmp_path / "routing.db") as log:
        assert log.count() == server.hits


def test_a_dry_run_leaves_the_log_as_it_is(
    run: Run, models: Path, asked: Path, tmp_path: Path
) -> None:
    command = arguments(models, asked, tmp_path)
    RoutingLog(tmp_path / "routing.db").close()
    (tmp_path / "routing.db").chmod(0o400)
    before = (tmp_path / "routing.db").read_bytes(), sorted(tmp_path.iterdir())
    assert "8 calls to make" in run(*command, "--dry-run").stdout
    assert ((tmp_path / "routing.db").read_bytes(), sorted(tmp_path.iterdir())) == before


def test_a_log_that_cannot_be_opened_is_named_and_nothing_can_go_on(
    run: Run, models: Path, asked: Path, tmp_path: Path
) -> None:
    (tmp_path / "routing.db").write_text("no database")
    said = run(*arguments(models, asked, tmp_path), code=2).stderr
    assert "is not a SQLite file" in said
    assert "to go on" not in said
    command = ["collect", "--models", models, "--queries", asked, "--log", tmp_path / "no" / "a.db"]
    said = run(*command, code=2).stderr
    assert str(tmp_path / "no" / "a.db") in said
    assert ".lock" not in said
