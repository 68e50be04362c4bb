import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fusion_agents import __version__
from tests.cli.conftest import Run

VERBS = ("import", "log", "evaluate", "fit", "route", "routers", "demo")
HEAVY = ("numpy", "scipy", "sklearn", "pyarrow", "chromadb", "langchain_core")


def test_help_names_every_verb(run: Run) -> None:
    output = run("--help").stdout
    for verb in VERBS:
        assert f"│ {verb} " in output


@pytest.mark.parametrize(
    "words",
    [*((verb,) for verb in VERBS if verb != "log"), *(("log", v) for v in ("show", "stats"))],
    ids=" ".join,
)
def test_the_help_of_every_verb_has_an_example(run: Run, words: tuple[str, ...]) -> None:
    output = run(*words, "--help").stdout
    assert "Example" in output
    assert f"fusion-agents {' '.join(words)}" in output or words == ("routers",)


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from fusion_agents.cli.app import app; "
        "assert CliRunner().invoke(app, ['evaluate', '--help']).exit_code == 0; "
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_version_is_that_of_the_package(run: Run) -> None:
    assert run("--version").stdout.strip() == f"fusion-agents {__version__}"


def test_no_arguments_show_the_help(run: Run) -> None:
    assert "Commands" in run(code=2).output


def test_an_error_is_one_line_without_a_traceback(run: Run, tmp_path: Path) -> None:
    result = run("evaluate", "--log", tmp_path / "none.db", code=2)
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert "none.db" in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stderr.count("\n") == 1


def test_debug_shows_where_an_error_came_from(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_option = run("--debug", "evaluate", "--log", tmp_path / "none.db", code=2).stderr
    monkeypatch.setenv("FUSION_AGENTS_DEBUG", "1")
    by_environment = run("evaluate", "--log", tmp_path / "none.db", code=2).stderr
    for output in (by_option, by_environment):
        assert "Traceback" in output
        assert "DataError" in output


def test_an_error_of_the_operating_system_is_one_line_too(
    run: Run, tmp_path: Path, database: Path
) -> None:
    target = tmp_path / "no" / "folder" / "stats.json"
    result = run("log", "stats", "--log", database, "--json", target, code=2)
    assert "No such file or directory" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_terminal_that_knows_only_ascii_gets_question_marks(router: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "fusion_agents", "route", "--router", str(router), "2 + 2?"],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert b" ? 0." in done.stdout


def test_the_package_runs_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "fusion_agents", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip().endswith(__version__)


def test_a_reader_that_has_seen_enough_causes_no_noise(database: Path) -> None:
    command = [sys.executable, "-m", "fusion_agents", "log", "show", "--json", "--limit", "100000"]
    process = subprocess.Popen(
        [*command, "--log", str(database)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.read(10)
    process.stdout.close()
    noise = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=60) == 0
    assert noise == b""


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
def test_ctrl_c_ends_with_130_and_no_traceback(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "fusion_agents", "demo", "--out", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert "SIMULATED" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, noise = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted" in noise
    assert "Traceback" not in noise
