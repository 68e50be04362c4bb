from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from fusion_agents.cli.app import app
from fusion_agents.simulation import simulate_log
from fusion_agents.types import LogEntry

Run = Callable[..., Result]


def write_log(path: Path, entries: Iterator[LogEntry]) -> None:
    lines = (entry.model_dump_json(exclude_none=True) for entry in entries)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command line and check its exit code."""
    monkeypatch.delenv("FUSION_AGENTS_DEBUG", raising=False)

    def invoke(*arguments: object, code: int = 0) -> Result:
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        assert result.exit_code == code, (result.output, result.exception)
        return result

    return invoke


@pytest.fixture(scope="session")
def log_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated log as JSON lines: 150 questions, 10 arms."""
    path = tmp_path_factory.mktemp("log") / "answers.jsonl"
    write_log(path, simulate_log(150, seed=7))
    return path


@pytest.fixture(scope="session")
def database(log_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same log as a database. Do not write to it."""
    path = tmp_path_factory.mktemp("db") / "routing.db"
    result = CliRunner().invoke(app, ["import", str(log_file), "--log", str(path)])
    assert result.exit_code == 0, result.output
    return path


@pytest.fixture(scope="session")
def router(database: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved nearest-neighbour router. Do not write to it."""
    folder = tmp_path_factory.mktemp("fit") / "router"
    arguments = ["fit", "--log", str(database), "--router", "knn", "--out", str(folder)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return folder
