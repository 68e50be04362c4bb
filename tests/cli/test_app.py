import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from fusion_agents import __version__
from fusion_agents.routers.base import Router
from fusion_agents.routers.catalogue import router_classes
from fusion_agents.simulation import simulate_log
from fusion_agents.types import Arm, LogEntry, Query
from tests.cli.conftest import Run, write_log

VERBS = ("import", "log", "evaluate", "fit", "route", "ask", "batch", "routers", "demo")
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


def test_an_unexpected_error_is_one_line_that_names_the_way_to_its_traceback(
    run: Run, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Router, *_: object) -> None:
        raise TypeError("a third party's\nrouter [/red]")

    monkeypatch.setattr(router_classes()["best"], "fit", fail)
    arguments = ("fit", "--log", database, "--router", "best", "--out", database.parent / "none")
    result = run(*arguments, code=70)
    assert result.stderr == (
        "unexpected error: TypeError: a third party's router [/red] "
        "(run with --debug for the traceback)\n"
    )
    assert "Traceback" in run("--debug", *arguments, code=70).stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("log", "stats", "--json"),
        ("log", "export"),
        ("log", "backup"),
        ("evaluate", "--json"),
        ("evaluate", "--html"),
        ("demo", "--svg"),
    ],
    ids=" ".join,
)
def test_a_folder_that_is_missing_is_found_out_first(
    run: Run, tmp_path: Path, database: Path, arguments: tuple[str, ...]
) -> None:
    target = tmp_path / "no" / "file.jsonl"
    result = run(*arguments, target, "--log", database, code=2)
    assert "there is no folder" in result.stderr
    assert str(tmp_path / "no") in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("verb", ["evaluate", "fit", "demo"])
def test_a_seed_below_zero_is_a_usage_error(run: Run, database: Path, verb: str) -> None:
    result = run(verb, "--log", database, "--seed", -1, code=2)
    assert "--seed" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_only_the_user_may_read_what_the_verbs_write(
    run: Run, log_file: Path, tmp_path: Path
) -> None:
    made = tmp_path / "made"
    run("demo", "--log", log_file, "--out", made, "--svg", tmp_path / "demo.svg")
    log = tmp_path / "routing.db"
    run("import", log_file, "--log", log)
    run("log", "stats", "--log", log, "--json", tmp_path / "stats.json")
    run("log", "export", tmp_path / "all.jsonl.gz", "--log", log)
    run("log", "backup", tmp_path / "copy.db", "--log", log)
    run(
        "evaluate", "--log", log, "--routers", "best",
        "--json", tmp_path / "evaluation.json", "--html", tmp_path / "report.html",
    )  # fmt: skip
    run("fit", "--log", log, "--router", "best", "--out", tmp_path / "router")
    queries = tmp_path / "queries.txt"
    queries.write_text("2 + 2?\n")
    queries.chmod(0o600)
    routes = tmp_path / "routes.jsonl"
    run("route", "--router", tmp_path / "router", "--input", queries, "--output", routes)
    modes = {
        str(path.relative_to(tmp_path)): (path.is_dir(), stat.S_IMODE(path.stat().st_mode))
        for path in tmp_path.rglob("*")
    }
    assert {"made/report.html", "made/evaluation.json", "demo.svg", "routes.jsonl"} < set(modes)
    assert {
        name: mode for name, (folder, mode) in modes.items() if mode != (0o600, 0o700)[folder]
    } == {}


def test_a_link_stays_and_a_device_is_not_replaced(
    run: Run, database: Path, tmp_path: Path
) -> None:
    (tmp_path / "real.json").write_text("{}")
    link = tmp_path / "link.json"
    link.symlink_to(tmp_path / "real.json")
    run("log", "stats", "--log", database, "--json", link)
    assert link.is_symlink()
    assert json.loads((tmp_path / "real.json").read_text())["entries"] == 1_500
    run("log", "stats", "--log", database, "--json", os.devnull)
    assert not Path(os.devnull).is_file()


def test_names_that_look_like_markup_are_printed_as_they_are(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file, log = Path("odd[red].jsonl"), Path("odd[red].db")
    write_log(file, map(_oddly_named, simulate_log(80, seed=1)))
    shown = [
        run("import", file, "--log", log),
        run("log", "show", "--log", log),
        run("log", "stats", "--log", log),
        run("evaluate", "--log", log, "--routers", "knn,task-best"),
        run("fit", "--log", log, "--router", "knn", "--out", "router[red]"),
        run("route", "--router", "router[red]", "2 + 2?"),
        run("demo", "--log", log, "--out", "demo[red]"),
        run("log", "show", "--log", log, "--arms", "nobody[/x]", code=2),
    ]
    names = ("odd[red]", "t[/x]", "[/red]:smile:", "[/red]:smile:", "[/red]", "[/red]", "[/red]")
    for result, name in zip(shown, (*names, "nobody[/x]"), strict=True):
        assert name in "".join(result.output.split()), result.output


def _oddly_named(entry: LogEntry) -> LogEntry:
    return LogEntry(
        query=Query(text=f"[/b] {entry.query.text}", task="t[/x]"),
        arm=Arm(model=f"{entry.arm.model[4:8]}[/red]:smile:", strategy=entry.arm.strategy),
        performance=entry.performance,
        cost=entry.cost,
        error=entry.error,
        source="s[/x]",
    )


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
        # a job in the background inherits that Ctrl-C is ignored
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout is not None
    assert "SIMULATED" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, noise = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted" in noise
    assert "Traceback" not in noise
