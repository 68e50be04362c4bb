"""Threads for calls that can be given up."""

import subprocess
import sys
import threading
import time
from contextvars import ContextVar, copy_context

import pytest

from fusion_agents.answering.workers import Workers

VARIABLE: ContextVar[str] = ContextVar("VARIABLE", default="unset")


def test_a_thread_is_kept_for_the_next_call() -> None:
    workers = Workers()
    first = workers.submit(copy_context(), threading.get_ident).result(5)
    time.sleep(0.1)

    assert workers.submit(copy_context(), threading.get_ident).result(5) == first


def test_as_many_calls_run_as_are_asked_for() -> None:
    workers, barrier = Workers(), threading.Barrier(20)

    calls = [workers.submit(copy_context(), lambda: barrier.wait(10)) for _ in range(20)]

    assert sorted(call.result(10) for call in calls) == list(range(20))


def test_a_call_has_the_callers_context() -> None:
    VARIABLE.set("here")

    assert Workers().submit(copy_context(), VARIABLE.get).result(5) == "here"


def test_what_a_call_raises_is_raised_where_its_result_is_asked_for() -> None:
    workers = Workers()
    failing = workers.submit(copy_context(), lambda: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        failing.result(5)
    assert workers.submit(copy_context(), lambda: 42).result(5) == 42


def test_a_call_that_never_ends_does_not_keep_the_process() -> None:
    program = (
        "import time\nfrom contextvars import copy_context\n"
        "from fusion_agents.answering.workers import Workers\n"
        "Workers().submit(copy_context(), lambda: time.sleep(600))\n"
    )

    assert subprocess.run([sys.executable, "-c", program], timeout=60, check=False).returncode == 0
