"""Streams that can be given up: each chunk is waited for only so long."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from contextvars import Context, copy_context

from langchain_core.messages import AIMessageChunk

from fusion_agents.answering.exchange import Reply
from fusion_agents.answering.workers import Workers

_CLOSING_SECONDS = 0.1

Piece = AIMessageChunk | Reply


class Source:
    """A stream whose chunks are fetched one by one in another thread."""

    def __init__(self, workers: Workers, open_stream: Callable[[], Iterator[Piece]]) -> None:
        self._workers = workers
        self._open = open_stream
        self._context: Context = copy_context()
        self._chunks: Iterator[Piece] | None = None
        self._pulled: Future[Piece] | None = None

    def pull(self, seconds: float) -> Piece:
        """The next item.

        Raises:
            TimeoutError: If there is none in time; then the source can only be closed.
        """
        self._pulled = self._workers.submit(self._context, self._next)
        return self._pulled.result(seconds)

    def close(self) -> None:
        """Close the stream, as soon as it is not waiting for a chunk."""
        if self._pulled is not None:
            self._pulled.add_done_callback(self._shut)

    def _next(self) -> Piece:
        if self._chunks is None:
            self._chunks = self._open()
        return next(self._chunks)

    def _shut(self, _: "Future[Piece]") -> None:
        close = getattr(self._chunks, "close", None)
        if close is not None:
            with suppress(Exception):
                close()


class AsyncSource:
    """The same for an event loop."""

    def __init__(self, open_stream: Callable[[], Awaitable[AsyncIterator[Piece]]]) -> None:
        self._open = open_stream
        self._chunks: AsyncIterator[Piece] | None = None

    async def pull(self, seconds: float) -> Piece:
        """The next item.

        Raises:
            TimeoutError: If there is none in time; then the source can only be closed.
        """
        async with asyncio.timeout(seconds):
            if self._chunks is None:
                self._chunks = await self._open()
            return await anext(self._chunks)

    async def close(self) -> None:
        """Close the stream."""
        close = getattr(self._chunks, "aclose", None)
        if close is not None:
            with suppress(Exception):
                async with asyncio.timeout(_CLOSING_SECONDS):
                    await close()
