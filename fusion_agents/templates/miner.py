"""Templates side by side: as many at a time as are allowed, and as the budget leaves room for."""

import asyncio
from collections.abc import Callable

from langchain_core.runnables import RunnableConfig

from fusion_agents.collecting.budget import Budget, check_numbers, check_prices
from fusion_agents.errors import ConfigError
from fusion_agents.right_answers.candidates import FLOORS, Floors
from fusion_agents.stores.log_filter import LogFilter
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.stores.template_store import TemplateStore
from fusion_agents.templates.distilling import BUDGET, FAILING, Distiller
from fusion_agents.templates.gathering import gather
from fusion_agents.templates.merging import merge_alike
from fusion_agents.templates.mining_progress import MiningProgress, MiningSummary, summary_of
from fusion_agents.templates.minings import Left, Way, left_to_mine, load
from fusion_agents.templates.selecting import Criterion, check_criterion
from fusion_agents.templates.summarizing import Summarizer
from fusion_agents.types import Dollars

INTERRUPTED = "interrupted"
"""Why a run ended before all was done, beside `BUDGET` and `FAILING`."""

__all__ = ["BUDGET", "FAILING", "INTERRUPTED", "OnProgress", "TemplateMiner"]

OnProgress = Callable[[MiningProgress], None]

_UNKNOWN = 2
"""Templates at a time, under a cap, as long as it is not known what one costs."""
_ENOUGH = 3


class TemplateMiner:
    """Asks for the templates that a store does not have yet.

    Args:
        log: Has the answers.
        summarizer: Writes the templates.
        store: Takes them, and keeps account.
        criterion: How answers are chosen: `hybrid`, `performance` or `judge`.
        floors: From where on an answer counts as right.
        per_task: Questions of each task, at most.
        split: Of the queries that may be learned from.
        where: Which entries; without it, all.
        pitfalls: Whether wrong answers beside right ones make templates, too.
        merge: Whether templates that say the same become one at the end.
        budget: Dollars that all mining for this store may cost; none for no cap.
        concurrency: Templates at a time, at most.
        tenant: Whose answers, and whose templates.
        on_progress: Called whenever something happens, with the same object each time.
        config: Passed on to the summariser.

    Raises:
        ConfigError: If a number or the criterion is none that a run can have.
    """

    def __init__(
        self,
        log: RoutingLog,
        summarizer: Summarizer,
        store: TemplateStore,
        *,
        criterion: Criterion = "hybrid",
        floors: Floors = FLOORS,
        per_task: int | None = None,
        split: str = "train",
        where: LogFilter | None = None,
        pitfalls: bool = False,
        merge: bool = True,
        budget: Dollars | None = None,
        concurrency: int = 8,
        tenant: str = "default",
        on_progress: OnProgress | None = None,
        config: RunnableConfig | None = None,
    ) -> None:
        check_criterion(criterion)
        check_numbers(concurrency, 1, budget)
        if per_task is not None and per_task < 1:
            raise ConfigError(f"per_task must be at least 1, not {per_task}")
        self.progress = MiningProgress()
        self.stopping: str | None = None
        self._log, self._store, self._summarizer = log, store, summarizer
        self._criterion, self._floors = criterion, floors
        self._per_task, self._split, self._where = per_task, split, where
        self._pitfalls, self._merge = pitfalls, merge
        self._cap, self._concurrency = budget, concurrency
        self._way = Way(criterion, summarizer.name, summarizer.prompt_version, tenant)
        self._on_progress = on_progress or (lambda _: None)
        self._config = config
        self._running: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()

    def stop(self, grace: float = 0.0, reason: str = INTERRUPTED) -> None:
        """Ask for nothing more, and give up what has not come within `grace` seconds."""
        self._end(reason)
        asyncio.get_running_loop().call_later(grace, self._give_up)

    async def run(self) -> MiningSummary:
        """Mine.

        Raises:
            ConfigError: If the summariser cannot be made, or its price is not known and there is
                a budget; before any call.
            StoreError: If the log cannot be read or the store written; what was stored stays.
        """
        left = await self._prepare()
        try:
            async with asyncio.TaskGroup() as group:
                await self._mine_all(group, left)
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        merged = 0
        if self._merge and self.stopping != INTERRUPTED:
            merged = await asyncio.to_thread(merge_alike, self._store, tenant=self._way.tenant)
        self._on_progress(self.progress)
        return summary_of(self._gathered, self.progress, left.settled, merged, self.stopping)

    def plan(self) -> Left:
        """Find what is left to mine; this asks nobody and writes nothing."""
        self._gathered = gather(
            self._log,
            self._criterion,
            floors=self._floors,
            split=self._split,
            where=self._where,
            tenant=self._way.tenant,
            per_task=self._per_task,
        )
        return left_to_mine(self._gathered, self._store.minings, self._way, pitfalls=self._pitfalls)

    def estimate(self) -> tuple[MiningSummary, Dollars]:
        """What a run would do, and what it may cost: dollars, 0 where the price is not known."""
        left = self.plan()
        loaded = (load(self._log, mining, self._way) for mining in left.minings)
        dollars = sum(self._summarizer.expected(one.material) for one in loaded if one)
        self.progress.planned = len(left.minings)
        return summary_of(self._gathered, self.progress, left.settled, 0, None), dollars

    async def _prepare(self) -> Left:
        pool, model = self._summarizer.pool, self._summarizer.arm.model
        if self._cap is not None:
            check_prices(pool, {model})
        await asyncio.to_thread(pool.chat_model, model)
        totals = await asyncio.to_thread(self._store.minings.totals)
        self.progress.spent_before = totals.cost + totals.lost
        self._budget = Budget(self._cap, self.progress.spent_before)
        self._distiller = Distiller(
            self._store, self._summarizer, self._budget, self.progress,
            end=self._end, stopping=lambda: self.stopping is not None, config=self._config,
        )  # fmt: skip
        left = await asyncio.to_thread(self.plan)
        self.progress.planned = len(left.minings)
        return left

    async def _mine_all(self, group: asyncio.TaskGroup, left: Left) -> None:
        for mining in left.minings:
            if self.stopping:
                return
            loaded = await asyncio.to_thread(load, self._log, mining, self._way)
            if loaded is None:
                continue
            expected = self._distiller.expected(loaded)
            if not await self._room(expected):
                return
            self.progress.in_flight += 1
            self._budget.reserve(expected)
            task = group.create_task(self._distiller.distil(mining, loaded, expected))
            self._running.add(task)
            task.add_done_callback(self._ended)

    async def _room(self, expected: Dollars) -> bool:
        """Wait until one more may be asked for; false if none may any more."""
        while self.stopping is None:
            self._changed.clear()
            in_flight = self.progress.in_flight
            unknown = self._cap is not None and self.progress.calls < _ENOUGH
            free = in_flight < (min(_UNKNOWN, self._concurrency) if unknown else self._concurrency)
            if free and self._budget.allows(expected):
                return True
            if not in_flight:
                self._end(BUDGET)
                break
            await self._changed.wait()
        return False

    def _end(self, reason: str) -> None:
        self.stopping = self.stopping or reason
        self._changed.set()

    def _give_up(self) -> None:
        for task in self._running:
            task.cancel()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self.progress.in_flight -= 1
        self._changed.set()
        self._on_progress(self.progress)
