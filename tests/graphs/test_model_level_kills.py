"""A distillation that is killed at any node goes on, and pays for nothing twice."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from fusion_agents.graphs.model_level import build_model_level_graph
from tests.graphs.test_model_level import KEY, World

ROOT = Path(__file__).parents[2]
NODES = ("select", "export", "estimate", "train", "evaluate", "register")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    with made.server:
        yield made


def run(world: World, given: Any, kill_at: str | None = None) -> dict[str, Any] | None:
    """Run a process until it ends, or until a node begins; say what it came to."""
    command = [sys.executable, "-m", "tests.graphs.model_level_child"]
    last: dict[str, Any] = {}
    with subprocess.Popen(
        [*command, str(world.folder / "checkpoints.db"), json.dumps(given)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "LOOPBACK_KEY": KEY},
    ) as child:
        assert child.stdout is not None
        for line in child.stdout:
            last = json.loads(line)
            if kill_at is not None and last.get("begins") == kill_at:
                child.kill()
                break
    assert child.returncode == (0 if kill_at is None else -9)
    return None if kill_at else last


def test_a_run_that_is_killed_at_every_node_ends_as_an_undisturbed_one(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOOPBACK_KEY", KEY)
    plan = {"plan": world.plan()}
    for number, node in enumerate(NODES[:3]):
        run(world, plan if number == 0 else None, kill_at=node)
    waiting = run(world, None)
    assert waiting is not None
    assert waiting["waits"] == ["approve"]
    assert world.server.hits == 0

    run(world, {"resume": True}, kill_at="train")
    for node in NODES[4:]:
        run(world, None, kill_at=node)
    done = run(world, None)
    assert done is not None
    assert done["waits"] == []

    assert world.server.tuning.uploads == 1
    assert len(world.server.tuning.jobs) == 1
    state = done["state"]
    assert state["registrations"][0]["registered"]
    (comparison,) = state["comparisons"]
    chats = [one for one in world.server.requests if one.path.endswith("/chat/completions")]
    under_way = 8  # at the kill, at most
    assert 2 * comparison["n_queries"] <= len(chats) <= 2 * comparison["n_queries"] + under_way
    assert world.entries_of("pupil") == comparison["recorded"]["entries"]

    (tmp_path / "calm").mkdir()
    calm = World(tmp_path / "calm")
    with calm.server:
        graph = build_model_level_graph(checkpointer=InMemorySaver())
        thread: Any = {"configurable": {"thread_id": "1"}}
        graph.invoke({"plan": calm.plan()}, thread)
        undisturbed = graph.invoke(Command(resume=True), thread)
    (expected,) = undisturbed["comparisons"]
    for key in ("overall", "tasks", "n_queries"):
        assert _without_times(comparison[key]) == _without_times(expected[key])
    assert state["data"]["fingerprint"] == undisturbed["data"]["fingerprint"]


def _without_times(found: Any) -> Any:
    if isinstance(found, dict):
        return {key: _without_times(value) for key, value in found.items() if key != "latency"}
    if isinstance(found, list):
        return [_without_times(one) for one in found]
    return found
