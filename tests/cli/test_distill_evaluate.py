"""`fusion-agents distill evaluate`: what it asks, says and leaves behind."""

import json
from pathlib import Path

import pytest

from fusion_agents.distill.comparing.comparison import Comparison
from fusion_agents.distill.data.dataset import write_dataset
from fusion_agents.distill.nouns import Student
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.testing.openai_server import Behaviour, OpenAIServer, Request
from fusion_agents.types import Arm, LogEntry
from tests.cli.conftest import KEY, Run
from tests.distill.comparing.evaluating_world import question, questions, trained_on

HELD_OUT = questions(12)
LEARNED = questions(4, start=50, split="train")


def behave(request: Request) -> Behaviour:
    """The pupil knows sums; the small model, its base, knows the rest."""
    query = next(query for query in HELD_OUT + LEARNED if query.text in request.text)
    knows = query.task == ("sums" if "pupil" in request.model else "rests")
    return Behaviour(text=f"The answer is {query.ground_truth if knows else 1}.")


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "routing.db"
    with RoutingLog(path) as log:
        log.append(
            LogEntry(query=query, arm=Arm(model="large"), performance=0.75, cost=0.01)
            for query in (*HELD_OUT, *LEARNED)
        )
    return path


@pytest.fixture
def training(tmp_path: Path) -> Path:
    write_dataset(trained_on([*LEARNED, HELD_OUT[0]]), tmp_path / "training")
    return tmp_path / "training"


@pytest.fixture
def student(tmp_path: Path, server: OpenAIServer, models: Path, training: Path) -> Path:
    """The folder of a tuned model at the provider; its base is the `small` of `models`."""
    server.rule = behave
    manifest = json.loads((training / "manifest.json").read_text())
    noun = Student(
        name="pupil", spec="openai:pupil-model", base="small-model", base_spec="openai:small-model",
        provider="openai", data=manifest["fingerprint"], n_examples=9,
    )  # fmt: skip
    folder = tmp_path / "student"
    folder.mkdir()
    (folder / "student.json").write_text(noun.model_dump_json())
    with models.open("a") as file:
        file.write(
            f'[models.pupil]\nmodel = "openai:pupil-model"\nbase_url = "{server.base_url}"\n'
            "price = { input = 1, output = 2 }\n"
        )
    return folder


def test_a_comparison_is_printed_written_recorded_and_not_asked_twice(
    run: Run, server: OpenAIServer, models: Path, database: Path, student: Path, training: Path,
    tmp_path: Path,
) -> None:  # fmt: skip
    command = (
        "distill", "evaluate", student, "--log", database, "--models", models, "--data", training,
        "--yes",
    )  # fmt: skip
    page, file = tmp_path / "report.html", tmp_path / "report.json"
    said = run(*command, "--record", "--html", page, "--json", file)
    assert "pupil against its base small on 23 held-out queries" in said.stdout
    assert "better at sums (+100.0 [" in said.stdout
    assert "worse at rests (-100.0 [" in said.stdout
    assert "let a router choose it where it is better" in said.stdout
    assert "large@direct" in said.stdout
    assert "right before, wrong now, 5 of 12" in said.stdout
    assert "1 queries were left out" in said.stderr
    assert "temperature=0.0, max_tokens=1024" in said.stderr
    assert "fusion-agents refresh --log" in said.stderr

    found = Comparison.model_validate_json(file.read_text())
    assert found.found("helped") == ("sums",)
    assert found.recorded is not None
    with RoutingLog(database) as log:
        assert log.count() == 32 + found.recorded.entries
    html = page.read_text()
    assert "Did training help pupil?" in html
    assert KEY not in html + file.read_text() + said.output
    assert page.stat().st_mode & 0o777 == 0o600

    hits = server.hits
    assert hits == 2 * 23
    again = run(*command, "--record")
    assert server.hits == hits
    assert "recorded 0 new entries" in again.stderr


def test_nothing_is_asked_before_somebody_agrees(
    run: Run, server: OpenAIServer, models: Path, database: Path, student: Path
) -> None:
    command = ("distill", "evaluate", student, "--log", database, "--models", models)
    said = run(*command, code=1)
    assert "48 calls to make" in said.stdout
    assert "estimated cost" in said.stdout
    assert server.hits == 0
    assert "48 calls to make" in run(*command, "--dry-run").stdout
    assert server.hits == 0
    assert not (student / "evaluation.db").exists()


def test_a_student_that_is_worse_is_a_result(
    run: Run, server: OpenAIServer, models: Path, database: Path, student: Path
) -> None:
    command = ("distill", "evaluate", student, "--log", database, "--models", models)
    said = run(*command, "--tasks", "rests", "--yes")
    assert "the student is worse than its base, -100.0 [" in said.stdout
    assert "do not use it in place of its base" in said.stdout
    assert "it is not known what the student learned from" in said.stderr
    assert "to let routers learn from it" in said.stderr


def test_json_on_standard_output_is_all_that_is_there(
    run: Run, models: Path, database: Path, student: Path
) -> None:
    command = ("distill", "evaluate", student, "--log", database, "--models", models, "--yes")
    said = run(*command, "--json", "-", "--n", 10)
    assert Comparison.model_validate_json(said.stdout).n_queries == 20


def test_queries_of_a_file_are_asked(
    run: Run, server: OpenAIServer, models: Path, database: Path, student: Path, tmp_path: Path
) -> None:
    path = tmp_path / "mine.jsonl"
    rows = [
        {"query": q.text, "task": q.task, "ground_truth": q.ground_truth, "metric": q.metric}
        for q in HELD_OUT[:6]
    ]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    said = run(
        "distill", "evaluate", student, "--log", database, "--models", models, "--yes",
        "--queries", path,
    )  # fmt: skip
    assert server.hits == 12
    assert "6 independent pairs are too few" in said.stdout


def test_other_data_than_the_students_are_refused(
    run: Run, server: OpenAIServer, models: Path, database: Path, student: Path, tmp_path: Path
) -> None:
    write_dataset(trained_on([question("sums", 77)]), tmp_path / "other")
    said = run(
        "distill", "evaluate", student, "--log", database, "--models", models, "--yes",
        "--data", tmp_path / "other", code=2,
    )  # fmt: skip
    assert "does not hold what 'pupil' learned from" in said.stderr
    assert server.hits == 0


def test_nothing_is_recorded_in_a_file_that_is_no_database(
    run: Run, server: OpenAIServer, models: Path, student: Path, tmp_path: Path
) -> None:
    path = tmp_path / "log.jsonl"
    entry = LogEntry(query=HELD_OUT[0], arm=Arm(model="large"), performance=1.0)
    path.write_text(entry.model_dump_json(exclude_none=True))
    said = run("distill", "evaluate", student, "--log", path, "--record", "--yes", code=2)
    assert "--record needs a database" in said.stderr
    assert server.hits == 0


def test_a_folder_without_a_student_is_named(run: Run, database: Path, tmp_path: Path) -> None:
    said = run("distill", "evaluate", tmp_path, "--log", database, code=2)
    assert "holds no student" in said.stderr


def test_text_from_the_log_cannot_command_a_terminal_or_a_page(
    run: Run, server: OpenAIServer, models: Path, database: Path, student: Path, tmp_path: Path
) -> None:
    server.rule = lambda request: Behaviour(
        text=f"<script>alert(1)</script> \x1b[2J The answer is {len(request.model)}."
    )
    page = tmp_path / "report.html"
    said = run(
        "distill", "evaluate", student, "--log", database, "--models", models, "--yes",
        "--html", page,
    )  # fmt: skip
    assert "\x1b[2J" not in said.output
    assert "<script>alert" not in page.read_text()
