"""Threads for calls that can be given up."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import Context
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

Result = TypeVar("Result")
_Job = tuple["Future[Any]", Context, Callable[[], Any]]

_IDLE_SECONDS = 10.0


class Workers:
    """Runs calls in threads that are kept for the next call.

    There are as many threads as there are calls at a time. A thread that still waits for a call
    that was given up does not keep the process from ending.
    """

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._idle: list[SimpleQueue[_Job]] = []

    def submit(self, context: Context, call: Callable[[], Result]) -> "Future[Result]":
        """Begin a call, in the given context."""
        if self._process != os.getpid():  # a forked child has none of its parent's threads
            self._begin()
        future: Future[Result] = Future()
        job = (future, context, call)
        with self._lock:
            inbox = self._idle.pop() if self._idle else None
        if inbox is not None:
            inbox.put(job)
        else:
            threading.Thread(
                target=self._work, args=(job,), name="fusion-answer", daemon=True
            ).start()
        return future

    def _work(self, job: _Job | None) -> None:
        inbox: SimpleQueue[_Job] = SimpleQueue()
        while job is not None:
            _run(job)
            job = None
            with self._lock:
                self._idle.append(inbox)
            job = self._next(inbox)

    def _next(self, inbox: "SimpleQueue[_Job]") -> _Job | None:
        try:
            return inbox.get(timeout=_IDLE_SECONDS)
        except Empty:
            with self._lock:
                if inbox in self._idle:
                    self._idle.remove(inbox)
                    return None
        return inbox.get()


def _run(job: _Job) -> None:
    future, context, call = job
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = context.run(call)
    except BaseException as error:  # noqa: BLE001  it is raised where the result is asked for
        future.set_exception(error)
    else:
        future.set_result(result)
