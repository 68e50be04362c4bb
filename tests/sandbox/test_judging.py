import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fusion_agents.errors import SandboxError
from fusion_agents.sandbox.bubblewrap import Bubblewrap
from fusion_agents.sandbox.choosing import find_sandbox
from fusion_agents.sandbox.judging import Checks, Verdict, judge
from fusion_agents.sandbox.limits import Limits
from tests.sandbox.cases import Broken, needs_sandbox

pytestmark = needs_sandbox
ADD = "def add(a, b):\n    return a + b\n"


def tried(program: str, tests: str, given: str = "") -> Verdict:
    return judge(find_sandbox(), program, Checks(tests, "add", given))


def test_a_right_answer_passes_and_a_wrong_one_fails() -> None:
    assert tried(ADD, "assert add(1, 2) == 3") == Verdict(True)
    assert tried(ADD, "assert add(1, 2) == 4") == Verdict(False, "a test failed")


@pytest.mark.parametrize(
    ("tests", "program"),
    [
        ("assert add(1, b=2) == 3", ADD),
        ("x = [1]\nadd(x, [2])\nassert x == [1, 2]", "def add(a, b): a += b"),
        ("x = {1: 2}\nadd(x, {3})\nassert x == {}", "def add(a, b): a.clear()"),
        ("try:\n    add(1, '')\nexcept TypeError:\n    pass\nelse:\n    raise AssertionError", ADD),
        ("assert add(1, 2)(3) == 6", "def add(a, b): return lambda c: a + b + c"),
        ("assert list(add(1, 2)) == [1, 2]", "def add(a, b):\n    yield a\n    yield b"),
        ("assert add((1,), (2,)) == (1, 2)", ADD),
        ("assert add(10**5000, 1) == 10**5000 + 1", ADD),
        ("assert add(1, 2) == 3.0", "import numpy\ndef add(a, b): return numpy.float64(a + b)"),
        ("assert add(int, float) == (int, float)", "def add(a, b): return a, b"),
        ("assert add(1, 2) == 3", "print('noise')\n" + ADD + "print(add(1, 2))"),
        ("assert add(1, 2) == 3", ADD + "if __name__ == '__main__':\n    input()"),
        (
            "n = Node(1)\nn.left = Node(2)\nassert add(n, 0) == 3",
            "class Node:\n    def __init__(self, v): self.v = v\n"
            "def add(n, _): return n.v + n.left.v",
        ),
        (
            "import dataclasses\nassert dataclasses.is_dataclass(add) is False",
            "from dataclasses import dataclass\n@dataclass\nclass A:\n    x: int\ndef add(): pass",
        ),
    ],
)
def test_honest_answers_pass_in_two_processes(tests: str, program: str) -> None:
    verdict = tried(program, tests)
    if "is_dataclass" in tests:  # the function is looked at, not called
        assert verdict.forgeable is not None
        verdict = verdict._replace(forgeable=None)
    assert verdict == Verdict(True)


def test_helpers_of_the_prompt_count_and_not_what_the_answer_makes_of_them() -> None:
    given = "def twice(x):\n    return 2 * x\n\ndef add(a, b):\n    'Add.'\n"
    tests = "assert add(twice(1), 0) == 2"
    assert tried(given + "    return a + b\n", tests, given) == Verdict(True)
    assert not tried("def twice(x): return 2\ndef add(a, b): return 3", tests, given).passed


def test_tests_that_pass_their_own_objects_run_in_one_process_and_say_so() -> None:
    verdict = tried("def add(f, x): return f(x)", "assert add(lambda x: x + 1, 2) == 3")
    assert verdict.passed
    assert verdict.forgeable == "the tests pass an object of the type 'function'"
    assert not tried("def add(f, x): return 0", "assert add(lambda x: x + 1, 2) == 3").passed


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("x = 1", "KeyError"),
        ("raise SystemExit(0)", "the program raised SystemExit: 0"),
        ("def add(:", "the program raised SyntaxError"),
        ("def add(a, b): return object()", "an object of the type 'object', not a value"),
        ("def add(a, b): return a / 0", "ZeroDivisionError"),
        ("def add(a, b): raise ValueError('\\x1b[31m' + 'x' * 9999)", "ValueError: [31mxxx"),
        ("x = '" + "y" * 300_000 + "'", "longer than 262,144 characters"),
        ("x = '\ud800'", "characters that no file can have"),
    ],
)
def test_a_wrong_answer_fails_with_a_short_and_clean_reason(program: str, reason: str) -> None:
    verdict = tried(program, "assert add(1, 2) == 3")
    assert not verdict.passed
    assert verdict.reason is not None
    assert reason in verdict.reason
    assert len(verdict.reason) <= 400
    assert verdict.reason.isprintable()


def test_parallel_runs_do_not_share_their_limits() -> None:
    program = (
        "import os\ndef add(a, b):\n    for _ in range(5):\n        if os.fork() == 0:\n"
        "            import time\n            time.sleep(5)\n    return a + b"
    )
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: tried(program, "assert add(1, 2) == 3"), range(16)))
    assert found == [Verdict(True)] * 16


def test_time_is_counted_on_the_processor_and_sleepers_are_stopped_too() -> None:
    sandbox = Bubblewrap(limits=Limits(cpu=1, wall=2.5))
    tests = Checks("assert add(1, 2) == 3", "add")
    loop = judge(sandbox, "def add(a, b):\n    while True: pass", tests)
    assert loop.reason == "over the limit of processor time"
    began = time.monotonic()
    sleep = judge(sandbox, "import time\ndef add(a, b): time.sleep(99)", tests)
    assert sleep.reason == "over the time limit"
    assert time.monotonic() - began < 4.5


def test_arguments_given_by_name_change_in_the_tests_too() -> None:
    program = "def add(a, b=None):\n    a.sort()\n    b.append(a[0])"
    tests = "x, y = [2, 1], []\nadd(b=y, a=x)\nassert (x, y) == ([1, 2], [1])"
    assert tried(program, tests) == Verdict(True)


def test_nothing_is_left_of_a_run() -> None:
    def open_files() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    tried(ADD, "assert add(1, 2) == 3")
    before, others = open_files(), _children()
    for program in (ADD, "import os\nos._exit(0)", "def add(a, b): return object()"):
        tried(program, "assert add(1, 2) == 3")
    assert open_files() <= before
    assert _children() <= others


def test_nothing_of_a_stopped_run_waits_for_the_first_process() -> None:
    program = """
import ctypes, time
from pathlib import Path
from fusion_agents.sandbox.bubblewrap import Bubblewrap
from fusion_agents.sandbox.judging import Checks, judge
from fusion_agents.sandbox.limits import Limits
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # what would wait for the first process waits for this one
sleeper = "import time\\ndef add(a, b): time.sleep(99)"
for _ in range(3):
    judge(Bubblewrap(limits=Limits(wall=0.5)), sleeper, Checks("assert add(1, 2) == 3", "add"))
print([p.read_text() for p in Path("/proc/self/task").glob("*/children")])
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert ended.stdout.strip() == "['']", ended


def _children() -> set[str]:
    lists = Path("/proc/self/task").glob("*/children")
    return {process for path in lists for process in path.read_text().split()}


def test_a_sandbox_that_breaks_is_no_verdict_on_the_answer() -> None:
    with pytest.raises(SandboxError, match="a sandbox did not start: disk on fire"):
        judge(Broken(says="disk on fire"), ADD, Checks("assert add(1, 2) == 3", "add"))
