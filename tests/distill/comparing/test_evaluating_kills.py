"""An evaluation that is killed goes on, and asks again at most what was under way."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fusion_agents.distill.comparing.comparison import Comparison
from fusion_agents.distill.nouns import Student
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.testing.openai_server import Behaviour, OpenAIServer, Request
from fusion_agents.types import Arm, LogEntry
from tests.distill.comparing.evaluating_world import questions

ASKED = questions(12)
CONCURRENCY = 4
PATIENCE = 120.0


def behave(request: Request) -> Behaviour:
    query = next(query for query in ASKED if query.text in request.text)
    knows = query.task == "sums" or "base" in request.model
    return Behaviour(text=f"The answer is {query.ground_truth if knows else 1}.", delay=0.05)


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer(behave) as running:
        yield running


@pytest.fixture
def world(tmp_path: Path, server: OpenAIServer) -> Path:
    with RoutingLog(tmp_path / "routing.db") as log:
        log.append(LogEntry(query=query, arm=Arm(model="large")) for query in ASKED)
    noun = Student(
        name="pupil", spec="openai:pupil-model", base="base-model", base_spec="openai:base-model",
        provider="openai", data="0" * 64, n_examples=2,
    )  # fmt: skip
    (tmp_path / "student").mkdir()
    (tmp_path / "student" / "student.json").write_text(noun.model_dump_json())
    (tmp_path / "models.toml").write_text(
        f'[models.pupil]\nmodel = "openai:pupil-model"\nbase_url = "{server.base_url}"\n'
    )
    return tmp_path


def begin(folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [
            sys.executable, "-m", "fusion_agents", "distill", "evaluate", "student", "--yes",
            "--record", "--concurrency", str(CONCURRENCY), "--json", "report.json",
        ],
        cwd=folder,
        env={**os.environ, "OPENAI_API_KEY": "test"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )  # fmt: skip


def test_a_killed_evaluation_asks_again_at_most_what_was_under_way(
    world: Path, server: OpenAIServer
) -> None:
    kills = 0
    for most in (9, 27):
        running = begin(world)
        ends = time.monotonic() + PATIENCE
        while server.hits < most and running.poll() is None and time.monotonic() < ends:
            time.sleep(0.005)
        kills += running.poll() is None
        running.kill()
        running.communicate()
    assert kills == 2
    last = begin(world)
    _, said = last.communicate(timeout=PATIENCE)
    assert last.returncode == 0, said.decode()

    found = Comparison.model_validate_json((world / "report.json").read_text())
    assert (found.overall.n, found.complete) == (24, True)
    assert [row.finding for row in found.tasks] == ["hurt", "no certain difference"]
    assert 48 <= server.hits <= 48 + 2 * CONCURRENCY
    assert found.recorded is not None
    with RoutingLog(world / "routing.db") as log:
        assert log.count() == 24 + found.recorded.entries
