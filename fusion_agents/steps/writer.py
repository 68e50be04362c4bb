"""Writes to a log without keeping an answer waiting for it."""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from typing import TypeVar

T = TypeVar("T")

PATIENCE = 1.0
"""Seconds that an answer waits for its record; a write that takes longer goes on by itself."""


class Writer:
    """Runs writes one after the other in a thread of its own.

    The process does not end before they are done. In a forked child there is a new thread.
    """

    def __init__(self) -> None:
        self._process = 0
        self._thread: ThreadPoolExecutor | None = None

    def run(self, write: Callable[[], None]) -> None:
        """Begin a write, and wait for it a little."""
        try:
            self._submit(write).result(PATIENCE)
        except NotYet:
            return

    async def arun(self, write: Callable[[], None]) -> None:
        """The same for an event loop."""
        try:
            async with asyncio.timeout(PATIENCE):
                await asyncio.shield(asyncio.wrap_future(self._submit(write)))
        except TimeoutError:
            return

    def call(self, job: Callable[[], T]) -> T:
        """Run something after the writes that were begun, and wait for what it gives."""
        return self._submit(job).result()

    async def acall(self, job: Callable[[], T]) -> T:
        """The same for an event loop."""
        return await asyncio.wrap_future(self._submit(job))

    def _submit(self, write: Callable[[], T]) -> "Future[T]":
        if self._thread is None or self._process != os.getpid():
            self._process = os.getpid()
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="fusion-log")
        return self._thread.submit(write)

    def __reduce__(self) -> tuple[type["Writer"], tuple[()]]:
        return Writer, ()
