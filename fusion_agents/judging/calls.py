"""Calls of a judge: so many at a time as are allowed, and as the budget leaves room for."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from langchain_core.runnables import RunnableConfig

from fusion_agents.judges.base import Case, Judge, Verdict
from fusion_agents.judging.asking import ask
from fusion_agents.judging.progress import JudgeProgress
from fusion_agents.judging.spending import Spending

T = TypeVar("T")

BUDGET = "budget"
"""Why a run ended: the budget is used up."""


class Calls:
    """Begins calls when there is room for them, and stops them.

    Args:
        judge: Who is called.
        spending: The budget.
        progress: Counts the calls and what they cost.
        concurrency: Calls at a time, at most.
        config: Passed on to the judge.
        report: Called whenever a call has ended.

    Attributes:
        stopping: Why nothing more is begun; none as long as something may be.
    """

    def __init__(
        self,
        judge: Judge,
        spending: Spending,
        progress: JudgeProgress,
        *,
        concurrency: int,
        config: RunnableConfig | None,
        report: Callable[[], None],
    ) -> None:
        self.stopping: str | None = None
        self._judge = judge
        self._spending = spending
        self._progress = progress
        self._concurrency = concurrency
        self._config = config
        self._report = report
        self._running: set[asyncio.Task[Any]] = set()
        self._changed = asyncio.Event()

    async def begin(
        self, group: asyncio.TaskGroup, work: Callable[[], Coroutine[Any, Any, T]]
    ) -> asyncio.Task[T] | None:
        """Begin work that makes one call; none if nothing may begin any more."""
        if not await self._room():
            return None
        self._progress.in_flight += 1
        task = group.create_task(work())
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    async def verdict(self, case: Case) -> Verdict:
        """Make a call, once in work that was begun: the next call may begin when it has ended.

        Raises:
            ConfigError: If there is a budget, and what the call cost is not known.
        """
        try:
            verdict = await ask(self._judge, case, self._config)
        finally:
            self._progress.in_flight -= 1
            self._changed.set()
        self._progress.spent += verdict.cost or 0.0
        if self._judge.calls_models:
            self._spending.settle(verdict.cost, scored=verdict.score is not None)
        return verdict

    def stop(self, reason: str, grace: float = 0.0) -> None:
        """Begin nothing more, and give up what has not ended within `grace` seconds."""
        self.stopping = self.stopping or reason
        self._changed.set()
        asyncio.get_running_loop().call_later(grace, self._give_up)

    async def _room(self) -> bool:
        while self.stopping is None:
            self._changed.clear()
            in_flight = self._progress.in_flight
            affordable = not self._judge.calls_models or self._spending.allows(in_flight)
            if in_flight < self._concurrency and affordable:
                return True
            if not in_flight:
                self.stopping = BUDGET
                break
            await self._changed.wait()
        return False

    def _give_up(self) -> None:
        for task in self._running:
            task.cancel()

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        self._report()
