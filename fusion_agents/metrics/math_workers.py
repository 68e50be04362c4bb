"""Comparing mathematical answers in processes of their own, so that none can hang its caller.

The library stops a comparison with signals, which only work in a main thread, and it can neither
interrupt arithmetic on huge numbers nor bound memory. A worker has limits instead; one that hits
them dies, is named as the reason, and is replaced. Any thread may ask.
"""

import atexit
import json
import os
import signal
import subprocess
import sys
import threading
from functools import lru_cache
from pathlib import Path
from queue import Empty, LifoQueue
from typing import Literal

from fusion_agents.errors import MissingExtraError

Verdict = Literal["same", "another", "unreadable", "too costly"]

CPU_SECONDS = 3.0
"""Processor time of one comparison; wall time does not count, as a machine may be busy."""
WALL_SECONDS = 60.0
"""After so long without an answer a worker is given up."""
WORKERS = 2
"""So many comparisons run at once; others wait."""
_WORKER = Path(__file__).with_name("math_worker.py")
_KEPT = ("LD_LIBRARY_PATH", "LANG", "SYSTEMROOT", "TMPDIR", "TEMP")


class WorkerLostError(Exception):
    """A worker died or did not answer, twice; that says nothing of the answer."""


@lru_cache(maxsize=65_536)
def compare(said: str, right: tuple[str, ...]) -> Verdict:
    """Tell whether a LaTeX answer equals one of the right ones; at most `CPU_SECONDS` are spent.

    Raises:
        MissingExtraError: If math-verify is not installed.
        WorkerLostError: If the worker dies or hangs, and so does a second one.
    """
    request = json.dumps({"said": said, "right": right, "seconds": CPU_SECONDS})
    with _turns:
        for _ in range(2):
            worker = _borrow()
            reply = worker.ask(request)
            if reply:
                _idle.put(worker)
                found = json.loads(reply)
                if not found["read"]:
                    return "unreadable"
                return "same" if found["same"] else "another"
            if worker.process.returncode == -getattr(signal, "SIGXCPU", 0):
                return "too costly"
    raise WorkerLostError("the process that compares answers was lost")


class _Worker:
    """One process, with the time limit that it cannot set itself."""

    def __init__(self) -> None:
        paths = [path for path in sys.path if path]
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-B", str(_WORKER), json.dumps(paths)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={name: os.environ[name] for name in _KEPT if name in os.environ},
            encoding="utf-8",
        )
        self.owner = os.getpid()
        greeting = self._wait()
        if "missing" in greeting:
            self.close()
            raise MissingExtraError("the metric 'math'", "tasks")

    def ask(self, request: str) -> str:
        """Send a line and read the answering one; empty if the process is gone."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(request + "\n")
            self.process.stdin.flush()
        except OSError:
            pass
        reply = self._wait()
        if not reply:
            self.close()
        return reply

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            try:
                if pipe is not None:
                    pipe.close()
            except OSError:  # what was written to a process that is gone
                continue

    def _wait(self) -> str:
        assert self.process.stdout is not None
        timer = threading.Timer(WALL_SECONDS, self.process.kill)
        timer.daemon = True
        timer.start()
        try:
            return self.process.stdout.readline()
        finally:
            timer.cancel()


_idle: LifoQueue[_Worker] = LifoQueue()
_turns = threading.BoundedSemaphore(WORKERS)


def _borrow() -> _Worker:
    """Take an idle worker of this very process, or start one."""
    while True:
        try:
            worker = _idle.get_nowait()
        except Empty:
            return _Worker()
        if worker.owner == os.getpid() and worker.process.poll() is None:
            return worker


@atexit.register
def close_workers() -> None:
    """End every idle worker; the next comparison starts new ones."""
    while True:
        try:
            worker = _idle.get_nowait()
        except Empty:
            return
        if worker.owner == os.getpid():
            worker.close()
