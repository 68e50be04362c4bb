"""`fusion-agents evaluate thought`: what it asks, says and leaves behind."""

import json
from pathlib import Path

import pytest

from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.studying.report import StudyReport
from fusion_agents.testing.openai_server import OpenAIServer
from tests.cli.conftest import KEY, Run
from tests.studying.world import N_TEST, N_TRAIN, behave, entries, question

TWO = ("--conditions", "zero-shot,thought-hybrid")


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "routing.db"
    with RoutingLog(path) as log:
        log.append(entries())
    return path


def test_a_study_is_printed_written_and_gone_on_with(
    run: Run, server: OpenAIServer, models: Path, database: Path, tmp_path: Path
) -> None:
    server.rule = behave
    command = [
        "evaluate", "thought", "--answerer", "small", "--summarizer", "large", *TWO,
        "--log", database, "--models", models,
    ]  # fmt: skip
    written = tmp_path / "study.json"
    said = run(*command, "--out", written)
    assert "small: mean performance" in said.stdout
    assert "small: points more than zero-shot" in said.stdout
    assert "what it took" in said.stdout
    assert "wrote 12 templates" in said.stderr
    assert "collected 24 answers" in said.stderr
    report = StudyReport.model_validate_json(written.read_text())
    assert report.tasks == {"rests": N_TEST, "sums": N_TEST}
    assert KEY not in written.read_text()

    hits = server.hits
    assert hits == 2 * N_TRAIN + 4 * N_TEST
    page = tmp_path / "study.md"
    run(*command, "--out", page)
    assert server.hits == hits
    assert "| all questions | 12 | 0.0 | " in page.read_text()


def test_questions_of_a_file_are_asked(
    run: Run, server: OpenAIServer, models: Path, database: Path, tmp_path: Path
) -> None:
    path = tmp_path / "my.jsonl"
    asked = [question("sums", i) for i in (6, 7)]
    rows = [
        {"query": q.text, "task": q.task, "ground_truth": q.ground_truth, "metric": q.metric}
        for q in asked
    ]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    server.rule = behave
    said = run(
        "evaluate", "thought", "--answerer", "small", "--conditions", "zero-shot,few-shot",
        "--log", database, "--models", models, "--queries", path,
    )  # fmt: skip
    assert "collected 4 answers" in said.stderr
    assert "2 independent questions are too few for an interval" in said.stderr


def test_a_dry_run_asks_nobody(
    run: Run, server: OpenAIServer, models: Path, database: Path
) -> None:
    said = run(
        "evaluate", "thought", "--answerer", "small", "--summarizer", "large", *TWO,
        "--log", database, "--models", models, "--dry-run",
    ).stdout  # fmt: skip
    assert "12 templates by hybrid to write" in said
    assert "24 calls to make" in said
    assert server.hits == 0


def test_a_budget_stops_the_study_and_says_how_to_go_on(
    run: Run, server: OpenAIServer, models: Path, database: Path
) -> None:
    server.rule = behave
    said = run(
        "evaluate", "thought", "--answerer", "small", "--summarizer", "large", *TWO,
        "--log", database, "--models", models, "--budget", "0.00001", code=2,
    ).stderr  # fmt: skip
    assert "the budget is used up" in said
    assert "to go on:" in said
    assert server.hits == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--answerer", "tiny"], "the pool has no model 'tiny'"),
        (["--answerer", "small", "--conditions", "zero-shot"], "at least two"),
        (["--answerer", "small", "--draw"], "--draw needs --tasks"),
        (["--answerer", "small", "--out", "study.txt"], "name it .json or .md"),
        (["--answerer", "small", *TWO], "the log has no templates of the criterion 'hybrid'"),
        (["--answerer", "small", "--log", "none.db"], "there is no log"),
    ],
)
def test_what_cannot_be_studied_is_said_in_a_line(
    run: Run, models: Path, database: Path, options: list[str], message: str
) -> None:
    command = ["evaluate", "thought", "--models", models, "--log", database, *options]
    said = run(*command, code=2).stderr
    assert message in said
    assert "Traceback" not in said
    assert not database.with_name("routing.db.study").exists()
