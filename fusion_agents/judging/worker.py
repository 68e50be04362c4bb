"""Judging in the background, in the process that answers."""

import asyncio
import logging
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

from fusion_agents.errors import ConfigError, FusionError
from fusion_agents.judges.base import Judge
from fusion_agents.judging.progress import JudgeSummary
from fusion_agents.judging.run import judge_log
from fusion_agents.stores.log_filter import LogFilter
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.types import Dollars, Seconds

logger = logging.getLogger(__name__)


class JudgeWorker:
    """Judges what a log holds unjudged, whenever it has grown.

    `run` judges once, what is there. `start` begins a thread with an event loop of its own that
    does so again and again, and `stop` ends it: what was judged until then is stored, what was
    under way is judged by the next run. Used as a context manager, it starts and stops.

    A pass that goes wrong, such as one whose judge gives no verdicts, is told by a warning, and
    the next one tries again. A judge that gets
    its canaries wrong is not asked again: the worker ends, and `summary` says why.

    Args:
        log: Has the answers and takes the verdicts.
        judge: Who judges.
        where: Which entries; without it, all.
        rate: Share of the answers that are judged, chosen by their keys.
        every: Seconds from one pass to the next. Each pass costs some twenty canaries, so waiting
            longer is cheaper.
        budget: Dollars that this judge may cost on this log, as in `judge_log`.
        concurrency: Verdicts at a time, at most.
        canaries: Whether the judge is watched.
        source: Who judges, as the judgements say.

    Attributes:
        summary: What came of the last pass; none before the first.
    """

    def __init__(
        self,
        log: RoutingLog,
        judge: Judge,
        *,
        where: LogFilter | None = None,
        rate: float = 1.0,
        every: Seconds = 60.0,
        budget: Dollars | None = None,
        concurrency: int = 4,
        canaries: bool = True,
        source: str = "local",
    ) -> None:
        self._log = log
        self._judge = judge
        self._where = where
        self._rate = rate
        self._every = every
        self._budget = budget
        self._concurrency = concurrency
        self._canaries = canaries
        self._source = source
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()
        self._known = -1
        self.summary: JudgeSummary | None = None

    async def run(self) -> JudgeSummary:
        """Judge what is there, once.

        Raises:
            ConfigError: If there is a budget, and what the judge costs is not known.
            StoreError: If the log cannot be read or written.
        """
        self.summary = await judge_log(
            self._log,
            self._judge,
            where=self._where,
            budget=self._budget,
            concurrency=self._concurrency,
            rate=self._rate,
            canaries=self._canaries,
            source=self._source,
        )
        return self.summary

    @property
    def running(self) -> bool:
        """Whether the thread is there."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> Self:
        """Begin to judge in the background.

        Raises:
            ConfigError: If it was started already.
        """
        if self.running:
            raise ConfigError("the worker runs already: stop it before it is started again")
        ready = threading.Event()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._passes(ready)), name="fusion-judge", daemon=True
        )
        self._thread.start()
        ready.wait()
        return self

    def stop(self, timeout: Seconds | None = 10.0) -> None:
        """End the thread; without one, do nothing.

        Args:
            timeout: Seconds to wait for its end.
        """
        if self._thread is None or self._loop is None:
            return
        with suppress(RuntimeError):  # the loop has ended by itself
            self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(timeout)

    async def _passes(self, ready: threading.Event) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        ready.set()
        stopped = asyncio.create_task(self._stopping.wait())
        while not stopped.done():
            judging = asyncio.create_task(self._pass())
            await asyncio.wait([judging, stopped], return_when=asyncio.FIRST_COMPLETED)
            if not judging.done():
                judging.cancel()
                await asyncio.wait([judging])
            elif not judging.result():
                stopped.cancel()
                return
            await asyncio.wait([stopped], timeout=self._every)

    async def _pass(self) -> bool:
        """Judge once, if the log has grown; gives whether there is any use in another pass."""
        try:
            entries = await asyncio.to_thread(self._log.count, self._where)
            if entries == self._known:
                return True
            summary = await self.run()
        except FusionError as error:
            logger.warning("nothing more was judged now, it is tried again later: %s", error)
            return True
        if summary.stopped == "failing":
            logger.warning("judge %r gives hardly any verdicts, it is tried again", summary.judge)
            return True
        self._known = entries
        if summary.stopped in ("canaries", "budget"):
            logger.warning("judge %r is not asked again: %s", summary.judge, summary.stopped)
            return False
        return True

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
