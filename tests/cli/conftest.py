from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from fusion_agents.cli.app import app
from fusion_agents.simulation import simulate_log
from fusion_agents.testing.openai_server import Behaviour, OpenAIServer, Request
from fusion_agents.types import Arm, LogEntry, Query

Run = Callable[..., Result]

KEY = "planted-0123456789-abcdefghij"
"""Looks like no provider's keys, so that only knowing it can hide it."""


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


@pytest.fixture(scope="session")
def sums_router(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved router that prefers `small`, then `large`. Do not write to it."""
    folder = tmp_path_factory.mktemp("sums")
    write_log(
        folder / "log.jsonl",
        (
            LogEntry(query=Query(text=f"{i} + {i}?"), arm=Arm(model=name), performance=p, cost=c)
            for i in range(20)
            for name, p, c in (("small", 1.0, 1e-5), ("large", 0.5, 1e-4))
        ),
    )
    arguments = ["fit", "--log", str(folder / "log.jsonl"), "--router", "knn"]
    result = CliRunner().invoke(app, [*arguments, "--out", str(folder / "router")])
    assert result.exit_code == 0, result.output
    return folder / "router"


class _ClosingServer(OpenAIServer):
    """Ends each connection with its answer.

    Clients are kept for the next run of the command line, which has another event loop: there
    they could neither use nor close a connection of this one.
    """

    def begin(self, request: Request) -> tuple[int, Behaviour]:
        number, behaviour = super().begin(request)
        headers = {**behaviour.headers, "connection": "close"}
        return number, behaviour.model_copy(update={"headers": headers})


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIServer]:
    """Answers in place of the models of `models`."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with _ClosingServer() as running:
        yield running


@pytest.fixture
def models(server: OpenAIServer, tmp_path: Path) -> Path:
    """A file with the models that `sums_router` knows."""
    path = tmp_path / "models.toml"
    tables = (
        f'[models.{name}]\nmodel = "openai:{name}-model"\nbase_url = "{server.base_url}"\n'
        f"price = {{ input = {price}, output = {price * 2} }}\n"
        for name, price in (("small", 1), ("large", 10))
    )
    path.write_text("".join(tables))
    return path
