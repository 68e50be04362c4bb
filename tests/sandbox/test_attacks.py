import os
import secrets
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fusion_agents.sandbox.bubblewrap import Bubblewrap
from fusion_agents.sandbox.choosing import find_sandbox
from fusion_agents.sandbox.judging import Checks, judge
from fusion_agents.sandbox.limits import Limits
from tests.sandbox.attacks import ESCAPES, EXHAUSTING, FORGERIES
from tests.sandbox.cases import needs_sandbox

pytestmark = needs_sandbox
TESTS = "assert f([3, 1]) == [1, 3]\nassert f([]) == []\nassert abs(len(f([2])) - 1) < 1e-6"


@pytest.mark.parametrize("name", ESCAPES)
def test_no_program_gets_anything(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = secrets.token_hex()
    monkeypatch.setenv("SANDBOX_CANARY_KEY", secret)
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    file = tmp_path / "canary"
    file.write_text(secret)
    file.chmod(0o666)
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as hidden:
        hidden.bind(f"\0canary-{secret}")
        hidden.listen()
        bait = {"file": str(file), "home": str(Path.home()), "port": server.getsockname()[1]}
        bait |= {"hidden": f"\0canary-{secret}", "pid": os.getpid()}
        checks = Checks(f"assert attack({bait!r}) == []", "attack")
        verdict = judge(find_sandbox(), ESCAPES[name], checks)
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()
    assert verdict.reason != "a test failed"
    assert secret not in str(verdict)
    assert file.read_text() == secret


@pytest.mark.parametrize("name", EXHAUSTING)
def test_a_program_that_takes_without_end_ends_without_passing(name: str) -> None:
    sandbox = Bubblewrap(limits=Limits(cpu=1, wall=3.0))
    began = time.monotonic()
    verdict = judge(sandbox, EXHAUSTING[name], Checks("assert attack({}) == []", "attack"))
    assert not verdict.passed
    assert verdict.reason
    assert time.monotonic() - began < 6.0


@pytest.mark.parametrize("name", FORGERIES)
def test_no_program_passes_without_being_right(name: str) -> None:
    verdict = judge(find_sandbox(), FORGERIES[name].replace("NAME", "f"), Checks(TESTS, "f"))
    assert not verdict.passed
    assert verdict.forgeable is None


def test_when_the_evaluator_is_killed_everything_goes_with_it() -> None:
    name = f"canary{secrets.token_hex(8)}"
    code = (
        "from fusion_agents.sandbox.choosing import find_sandbox\n"
        "from fusion_agents.sandbox.judging import Checks, judge\n"
        f"program = 'import os\\ndef f():\\n    os.fork()\\n    while True: pass\\n# {name}'\n"
        "print('begun', flush=True)\n"
        "judge(find_sandbox(), program, Checks('f()', 'f'))\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as evaluator:
        assert evaluator.stdout
        evaluator.stdout.readline()
        found: set[int] = set()
        while len(found) < 4:  # bwrap twice and the processes in it
            found = _descendants(evaluator.pid)
            time.sleep(0.05)
        evaluator.kill()
    deadline = time.monotonic() + 1.0
    while any(map(_alive, found)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(map(_alive, found))


def _descendants(pid: int) -> set[int]:
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found, size = {pid}, 0
    while len(found) > size:
        size = len(found)
        found |= {child for child, parent in parents.items() if parent in found}
    return found - {pid}


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"
