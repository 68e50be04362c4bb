"""Answers scored by their queries' metrics, after they are stored and beside everything else."""

import asyncio
from collections.abc import Callable
from contextvars import copy_context
from functools import partial

from fusion_agents.answering.workers import Workers
from fusion_agents.collecting.progress import CollectProgress
from fusion_agents.metrics.catalogue import make_metric, metric_name
from fusion_agents.stores.batch_writer import BatchWriter, Note, note_writer
from fusion_agents.stores.ledger import Ledger, Scoring
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.types import LogEntry

_AT_A_TIME = 2
_MOST_WAITING = 256
_LONGEST = 1000
"""Characters of a reason or an answer that are kept."""

OnScored = Callable[[LogEntry, Scoring], None]


class Scorer:
    """Scores answers in threads; what it does not come to stays unscored in the ledger.

    Args:
        ledger: Where unscored answers are.
        writer: Takes the scores.
        on_scored: Called with each entry and what its metric says.
    """

    def __init__(self, ledger: Ledger, writer: BatchWriter[Note], on_scored: OnScored) -> None:
        self._ledger = ledger
        self._writer = writer
        self._on_scored = on_scored
        self._workers = Workers()
        self._slots = asyncio.Semaphore(_AT_A_TIME)
        self._tasks: set[asyncio.Task[None]] = set()
        self._in_vain: set[str] = set()

    def offer(self, entry: LogEntry) -> None:
        """Score an entry that is in the log, unless there is too much to do already."""
        query = entry.query
        if query.metric is None or query.ground_truth is None or entry.error is not None:
            return
        if len(self._tasks) < _MOST_WAITING:
            self._begin(entry)

    async def score_rest(self) -> None:
        """Score every answer of the log that lacks a score, but none twice in one run."""
        await self.settle()
        unscored = self._ledger.unscored()
        while (entry := await asyncio.to_thread(next, unscored, None)) is not None:
            if entry.key in self._in_vain:
                continue
            while len(self._tasks) >= 2 * _AT_A_TIME:
                await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
            self._begin(entry)
        await self.settle()

    async def settle(self) -> None:
        """Wait for what was begun.

        Raises:
            StoreError: If a score cannot be stored.
        """
        while self._tasks:
            await asyncio.gather(*self._tasks)

    def cancel(self) -> None:
        """Give up what was begun."""
        for task in self._tasks:
            task.cancel()

    def _begin(self, entry: LogEntry) -> None:
        task = asyncio.create_task(self._score(entry))
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waits is told, and the answer stays in the ledger

    async def _score(self, entry: LogEntry) -> None:
        async with self._slots:
            work = self._workers.submit(copy_context(), partial(scored, entry))
            scoring = await asyncio.wrap_future(work)
            await self._writer.write(scoring)
        if scoring.score is None:
            self._in_vain.add(entry.key)
        self._on_scored(entry, scoring)


def scored(entry: LogEntry) -> Scoring:
    """What the metric of an entry's query says of its response; a failure is no score."""
    name, version = str(entry.query.metric), ""
    try:
        metric = make_metric(name)
        name, version = metric_name(name), metric.version
        result = metric.score(entry.response or "", entry.query)
    except Exception as error:  # noqa: BLE001  a metric is anybody's, and the answer is paid for
        reason = f"{type(error).__name__}: {error}"
        return Scoring(entry.key, name, version, None, _short(reason))
    return Scoring(
        entry.key, name, version, result.score, _short(result.reason), _short(result.answer)
    )


def _short(text: str | None) -> str | None:
    if text is None:
        return None
    return text[:_LONGEST].encode("utf-8", "replace").decode("utf-8")


async def score_log(log: RoutingLog) -> CollectProgress:
    """Score the collected answers of a log that lack a score; nobody is asked anything.

    Returns:
        How many were scored and could not be, with the first reason of each metric.

    Raises:
        StoreError: If the log cannot be written.
    """
    progress = CollectProgress()
    writer = note_writer(log.ledger)
    scorer = Scorer(log.ledger, writer, lambda _, scoring: progress.count_score(scoring))
    try:
        await scorer.score_rest()
    finally:
        scorer.cancel()
        await writer.close()
    return progress
