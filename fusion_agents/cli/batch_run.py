"""Many queries at once: read and routed in chunks, answered side by side, written as they come."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, NamedTuple

from fusion_agents.answering.nouns import Answer
from fusion_agents.chain import FusionRouterChain
from fusion_agents.cli.answering import answer_evidence
from fusion_agents.errors import FusionError, RowError
from fusion_agents.steps.preparing import Prepared, aroute_read
from fusion_agents.steps.turn import Choices
from fusion_agents.types import Attempt, Query

Row = dict[str, Any]

_CHUNK = 64
"""Queries that are routed together; the next ones are while these are being answered."""


class _Job(NamedTuple):
    line: int
    query: Query | RowError
    prepared: Prepared


@dataclass(kw_only=True)
class BatchRun:
    """Answers queries and hands over a row for each, in the order in which they are done.

    What cannot be answered is a row too. Never more than two chunks and `concurrency` queries are
    in memory.

    Args:
        chain: Answers.
        choices: What every query asks for.
        concurrency: Queries that are being answered at a time.
        explain: Whether the forecasts of all arms go into the rows.
        write: Takes a row.
    """

    chain: FusionRouterChain
    choices: Choices
    concurrency: int
    explain: bool
    write: Callable[[Row], None]
    stopping: bool = False

    def __post_init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()

    def stop(self, grace: float) -> None:
        """Begin no further query, and give up those that are not done within `grace` seconds."""
        self.stopping = True
        asyncio.get_running_loop().call_later(grace, self._give_up)

    def _give_up(self) -> None:
        for task in self._running:
            task.cancel()

    async def run(self, queries: "Iterator[tuple[int, Query | RowError]]") -> None:
        """Answer all.

        Raises:
            OSError: If a row cannot be written; nothing more is asked then.
        """
        slots = asyncio.Semaphore(self.concurrency)
        try:
            async with asyncio.TaskGroup() as group, aclosing(self._jobs(queries)) as jobs:
                async for job in jobs:
                    await slots.acquire()
                    if self.stopping:
                        break
                    task = group.create_task(self._finish(job, slots))
                    self._running.add(task)
                    task.add_done_callback(self._running.discard)
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None

    async def _jobs(
        self, queries: "Iterator[tuple[int, Query | RowError]]"
    ) -> AsyncGenerator[_Job]:
        upcoming = asyncio.create_task(self._chunk(queries))
        try:
            while (jobs := await upcoming) and not self.stopping:
                upcoming = asyncio.create_task(self._chunk(queries))
                for job in jobs:
                    yield job
        finally:
            upcoming.cancel()
            await asyncio.wait([upcoming])

    async def _chunk(self, queries: "Iterator[tuple[int, Query | RowError]]") -> list[_Job]:
        read = await asyncio.to_thread(lambda: list(islice(queries, _CHUNK)))
        prepared = await self._prepare([query for _, query in read])
        return [
            _Job(line, query, ready) for (line, query), ready in zip(read, prepared, strict=True)
        ]

    async def _prepare(self, queries: Sequence[Query | RowError]) -> list[Prepared]:
        """Route what can be routed, together, by all that the file says about the queries."""
        return await aroute_read(self.chain.steps, [self._read(query) for query in queries])

    def _read(self, query: Query | RowError) -> Prepared:
        if isinstance(query, RowError):
            return Prepared(None, error=query)
        try:
            turn = self.chain.steps.turn(query.text, self.choices)
        except FusionError as error:
            return Prepared(query.text, error=error)
        return Prepared(query.text, turn=replace(turn, query=query))

    async def _finish(self, job: _Job, slots: asyncio.Semaphore) -> None:
        about: Row = {"line": job.line}
        if isinstance(job.query, Query):
            about["query_id"] = job.query.id
        try:
            answer = await self.chain.aanswer(job.prepared)
        except FusionError as error:
            self.write(about | failure(error))
        else:
            self.write(about | success(answer, explain=self.explain))
        finally:
            slots.release()


def success(answer: Answer, *, explain: bool) -> Row:
    """What a row says of an answer."""
    return {
        "answer": str(answer.message.text),
        "arm": str(answer.arm),
        "cost": answer.cost,
        "usage": answer.message.usage_metadata,
        "fusion": answer_evidence(answer, explain=explain),
    }


def failure(error: FusionError) -> Row:
    """What a row says of a query that was not answered."""
    attempts: tuple[Attempt, ...] = getattr(error, "attempts", ())
    costs = [attempt.cost for attempt in attempts if attempt.cost is not None]
    return {
        "error": str(error),
        "error_type": type(error).__name__,
        "attempts": [{**a.model_dump(mode="json"), "arm": str(a.arm)} for a in attempts],
        "cost": sum(costs) if costs else None,
    }
