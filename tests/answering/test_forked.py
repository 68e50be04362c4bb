"""A process that was forked from one that has answered can answer too."""

import multiprocessing
import os
import sys
from contextvars import copy_context

import pytest

from fusion_agents.answering.workers import Workers


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_does_not_wait_for_threads_of_its_parent() -> None:
    workers = Workers()
    assert workers.submit(copy_context(), os.getpid).result(5) == os.getpid()
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()

    def ask() -> None:
        answers.put(workers.submit(copy_context(), os.getpid).result(5))

    child = context.Process(target=ask)
    child.start()
    child.join(10)
    assert child.exitcode == 0
    assert answers.get() == child.pid
    answers.close()
