import os
import subprocess
import sys
from pathlib import Path

import pytest

from fusion_agents.errors import NoSandboxError, SandboxError
from fusion_agents.sandbox.canaries import NAMES, try_out
from fusion_agents.sandbox.choosing import find_sandbox, trials, try_sandbox
from fusion_agents.sandbox.containers import Docker
from tests.sandbox.cases import Broken, Nothing, needs_sandbox

WITHOUT_PROGRAMS = (
    "import shutil; shutil.which = lambda *a, **k: None\n"
    "from fusion_agents.metrics.code import Code\n"
    "from fusion_agents.types import Query\n"
    "query = Query(text='x', ground_truth=('assert add(1, 2) == 3',))\n"
    "marker = {marker!r}\n"
    "print(Code().score('import os\\nopen(' + repr(marker) + ', \"w\")\\n'\n"
    "    'def add(a, b): return a + b', query))\n"
)


def test_a_sandbox_that_stops_nothing_is_refused_by_every_canary_that_it_lets_fly() -> None:
    found = {canary.name: canary for canary in try_out(Nothing())}
    assert set(found) == set(NAMES)
    open_ones = {name for name, canary in found.items() if not canary.blocked}
    assert open_ones >= {"environment", "files", "write", "network", "fork", "memory"}
    problem = try_sandbox(Nothing()).problem
    assert problem is not None
    assert "does not stop a program here" in problem.cause


def test_a_sandbox_that_does_not_start_is_refused_with_the_fix() -> None:
    with pytest.raises(SandboxError, match="uid map"):
        try_out(Broken())
    problem = try_sandbox(Broken()).problem
    assert problem is not None
    assert "allow user namespaces" in problem.fix


def test_without_any_sandbox_no_line_runs_and_nothing_is_scored(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    code = WITHOUT_PROGRAMS.format(marker=str(marker))
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ}
    )
    assert "score=None" in ended.stdout
    assert "no_sandbox: " in ended.stdout
    assert "install bubblewrap" in ended.stdout
    assert not marker.exists()


def test_docker_without_its_image_or_daemon_says_what_to_do() -> None:
    with pytest.raises(NoSandboxError) as caught, Docker(image="none/such:1").command("tester"):
        pass
    assert caught.value.fix


@needs_sandbox
def test_the_sandbox_is_tried_once_and_stops_every_canary() -> None:
    assert trials() is not trials()
    assert find_sandbox() is find_sandbox()
    assert all(canary.blocked for canary in trials()[-1].canaries)
    assert {canary.name for canary in trials()[-1].canaries} == set(NAMES)
