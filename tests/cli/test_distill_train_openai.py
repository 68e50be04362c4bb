"""`fusion-agents distill train --provider openai`, with a provider on loopback."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fusion_agents.cli.app import app
from fusion_agents.testing.openai_server import OpenAIServer, Tuning
from tests.distill.training.openai_world import BASE, KEY, make_data, train


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIServer]:
    with OpenAIServer(tuning=Tuning(stages=("succeeded",))) as running:
        monkeypatch.setenv("OPENAI_BASE_URL", running.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        yield running


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return make_data(tmp_path / "data")


def run(data: Path, out: Path, *more: str, says: str | None = None):
    command = ["distill", "train", "--data", str(data), "--base", BASE, "--out", str(out)]
    return CliRunner().invoke(app, [*command, "--provider", "openai", *more], input=says)


def test_a_job_is_asked_for_once_somebody_agreed(server: OpenAIServer, data: Path) -> None:
    out = data.parent / "student"
    assert run(data, out, says="n\n").exit_code == 1
    assert server.hits == 0
    done = run(data, out, "--suffix", "desk", "--delete-upload", says="y\n")
    assert done.exit_code == 0, done.output
    assert "openai:ft:" in done.output
    (job,) = server.tuning.jobs.values()
    assert job.body["user_provided_suffix"].startswith("desk-")
    assert server.tuning.files == {}  # it was deleted there
    assert run(data, out, "--suffix", "desk", "--delete-upload").exit_code == 0
    assert len(server.tuning.jobs) == 1


def test_another_job_is_agreed_to_anew(server: OpenAIServer, data: Path) -> None:
    out = data.parent / "student"
    assert run(data, out, "--yes").exit_code == 0
    refused = run(data, out, "--start-again", says="n\n")
    assert refused.exit_code == 1
    assert len(server.tuning.jobs) == 1
    again = run(data, out, "--start-again", says="y\n")
    assert again.exit_code == 0, again.output
    assert len(server.tuning.jobs) == 2


def test_a_job_can_be_cancelled(server: OpenAIServer, data: Path) -> None:
    server.tuning.stages = ("queued",) * 10_000
    out = data.parent / "student"

    async def begin() -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(train(server, data, out), 1.0)

    asyncio.run(begin())
    assert len(server.tuning.jobs) == 1
    done = run(data, out, "--cancel")
    assert done.exit_code == 0, done.output
    assert "cancelled" in done.output
    (job,) = server.tuning.jobs.values()
    assert job.body["status"] == "cancelled"


def test_there_may_be_no_job_to_cancel(server: OpenAIServer, data: Path) -> None:
    done = run(data, data.parent / "student", "--cancel")
    assert done.exit_code == 2
    assert "holds no fine-tuning job" in " ".join(done.output.split())
