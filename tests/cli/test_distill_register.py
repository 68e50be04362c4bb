import shutil
from pathlib import Path

import pytest

from fusion_agents.distill.nouns import Student
from fusion_agents.pool.models_file import read_models
from tests.cli.conftest import Run
from tests.distill.registering.test_registering import comparison, student, tuned

__all__ = ["student"]


@pytest.fixture
def out(student: Student, tmp_path: Path) -> Path:
    return tmp_path / "out"


def test_a_student_is_registered_with_what_its_folder_has(
    run: Run,
    out: Path,
    student: Student,
    tmp_path: Path,
) -> None:
    (out / "comparison.json").write_text(comparison(student).model_dump_json())
    models = tmp_path / "models.toml"
    result = run("distill", "register", out, "--models", models, "--serve", "vllm")
    assert result.stdout.startswith("vllm serve ")
    assert result.stdout.count("\n") == 1
    assert "distill evaluate --record" in result.stderr
    member = read_models(models)["arithmetic"]
    assert "better than its base on gsm8k" in member.card.description


def test_a_folder_that_was_moved_is_registered_where_it_is(
    run: Run, out: Path, tmp_path: Path
) -> None:
    moved = shutil.move(out, tmp_path / "moved")
    models = tmp_path / "models.toml"
    run("distill", "register", moved, "--models", models, "--name", "new", "--price-input", 1,
        "--price-output", 2)  # fmt: skip
    member = read_models(models)["new"]
    assert (member.spec, member.card.output_price) == (f"student:{moved}", 2.0)


def test_a_student_of_a_provider_needs_its_prices_once(run: Run, tmp_path: Path) -> None:
    (tmp_path / "student.json").write_text(tuned().model_dump_json())
    call = ("distill", "register", tmp_path, "--models", tmp_path / "models.toml")
    said = run(*call, code=2).stderr
    assert "give --price-input and --price-output" in said
    assert not (tmp_path / "models.toml").exists()
    run(*call, "--price-input", "0.3", "--price-output", "1.2")
    run(*call)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--price-input", "1"], "give both"),
        (["--comparison", "student.json"], "cannot read"),
        (["--base-url", "127.0.0.1"], "must start with http"),
        (["--name", "a@b"], "separates model and strategy"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_written(
    run: Run, out: Path, tmp_path: Path, arguments: list[str], said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(out)
    models = tmp_path / "models.toml"
    assert said in run("distill", "register", out, "--models", models, *arguments, code=2).stderr
    assert not models.exists()


def test_a_folder_without_a_student_is_refused(run: Run, tmp_path: Path) -> None:
    said = run("distill", "register", tmp_path, "--models", tmp_path / "m.toml", code=2).stderr
    assert "holds no student.json" in said
