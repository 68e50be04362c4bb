import sys
from pathlib import Path

import pytest

pytest.importorskip("trl")

from typer.testing import CliRunner, Result

from fusion_agents.cli.app import app
from fusion_agents.cli.distill_train_report import duration
from fusion_agents.distill.data.dataset import write_dataset
from fusion_agents.distill.nouns import Student
from tests.distill.training.conftest import make_base, question, training_data


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "data"
    write_dataset(training_data([question(i) for i in range(24)]), folder)
    return folder


def train(data: Path, base: Path | str, out: Path, *more: str, answer: str = "") -> Result:
    given = ["--data", str(data), "--base", str(base), "--out", str(out), "--threads", "1"]
    command = ["distill", "train", *given, "--epochs", "1", *more]
    return CliRunner().invoke(app, command, input=answer)


def test_a_student_is_trained_and_the_next_step_named(
    data: Path, base: Path, tmp_path: Path
) -> None:
    out = tmp_path / "student"

    result = train(data, base, out, "--name", "tiny", "--rank", "2", "--yes")

    assert result.exit_code == 0, result.output
    assert "23 examples are learned from, 1 are kept for the curve" in result.stdout
    assert "tiny: learned from 23 examples, " in result.stdout
    assert f"; student:{out}\n" in result.stdout
    assert f"fusion-agents distill evaluate {out} --data {data}" in result.stderr
    student = Student.model_validate_json((out / "student.json").read_text())
    options = student.settings["options"]
    assert isinstance(options, dict)
    assert (student.name, options["rank"], options["epochs"]) == ("tiny", 2, 1)

    again = train(data, base, out, "--name", "tiny", "--rank", "2")  # asks nothing: it goes on
    assert again.exit_code == 0
    assert "are learned from" not in again.stdout

    other = train(data, base, out, "--name", "tiny", "--rank", "3")
    assert other.exit_code == 2
    assert "rank was 2 and is 3; give another output" in other.stderr


def test_the_estimate_comes_first_and_no_is_no(data: Path, base: Path, tmp_path: Path) -> None:
    result = train(data, base, tmp_path / "student", answer="n\n")

    assert result.exit_code == 1
    assert "tokens (1 x " in result.stdout
    assert "tokens/s over a few steps" in result.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_shows_the_estimate_alone(data: Path, base: Path, tmp_path: Path) -> None:
    result = train(data, base, tmp_path / "student", "--dry-run")

    assert result.exit_code == 0
    assert "about " in result.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_base_without_a_chat_template_takes_one_from_a_file(data: Path, tmp_path: Path) -> None:
    bare = make_base(tmp_path / "bare", template=None)
    template = tmp_path / "chat.jinja"
    template.write_text(
        "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
        "{% if add_generation_prompt %}assistant: {% endif %}"
    )

    without = train(data, bare, tmp_path / "student", "--dry-run")
    given = train(data, bare, tmp_path / "student", "--yes", "--chat-template", str(template))

    assert without.exit_code == 2
    assert "--chat-template FILE" in without.stderr
    assert given.exit_code == 0, given.output
    kept = tmp_path / "student" / "adapter" / "chat_template.jinja"
    assert kept.read_text() == template.read_text()


def test_without_the_extra_its_name_is_said(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)  # as if it could not be found

    result = train(data, "base", tmp_path / "student", "--yes")

    assert result.exit_code == 2
    assert "pip install 'fusion-agents[train]'" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_cost_of_a_job_is_shown_before_anything_is_sent(data: Path, tmp_path: Path) -> None:
    result = train(
        data, "gpt-4.1-mini-2025-04-14", tmp_path / "student", "--provider", "openai", answer="n\n"
    )

    assert result.exit_code == 1
    assert "24 examples are uploaded and learned from" in result.stdout
    assert list(tmp_path.iterdir()) == []


def test_an_option_out_of_range_is_named(data: Path, base: Path, tmp_path: Path) -> None:
    result = train(data, base, tmp_path / "student", "--learning-rate", "0", "--yes")

    assert result.exit_code == 2
    assert "--learning-rate 0.0: input should be greater than 0" in result.stderr


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.4, "0 s"), (89, "89 s"), (5399, "90.0 min"), (5400, "1.5 h")]
)
def test_times_are_said_as_people_say_them(seconds: float, said: str) -> None:
    assert duration(seconds) == said
