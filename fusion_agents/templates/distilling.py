"""One template: asked for, checked, asked for once more, stored."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from langchain_core.runnables import RunnableConfig

from fusion_agents.collecting.budget import Budget
from fusion_agents.errors import DataError
from fusion_agents.stores.minings import MiningState
from fusion_agents.stores.template_store import TemplateStore
from fusion_agents.templates.checking import check
from fusion_agents.templates.mining_progress import MiningProgress
from fusion_agents.templates.minings import Loaded, Mining, written
from fusion_agents.templates.summarizing import Draft, Summarizer, Written
from fusion_agents.types import Dollars

BUDGET, FAILING = "budget", "failing"
"""Why a run ended before all was done."""

_IN_A_ROW = 8
"""Failures without an answer in between after which the summariser is given up."""


class Distiller:
    """Makes templates of questions, and keeps account of each.

    Args:
        store: Takes the templates.
        summarizer: Writes them.
        budget: Knows what may be spent.
        progress: Counts what happens.
        end: Ends the run, for a reason.
        stopping: Whether nothing more may begin.
        config: Passed on to the summariser.
    """

    def __init__(
        self,
        store: TemplateStore,
        summarizer: Summarizer,
        budget: Budget,
        progress: MiningProgress,
        *,
        end: Callable[[str], None],
        stopping: Callable[[], bool],
        config: RunnableConfig | None = None,
    ) -> None:
        self.progress = progress
        self._store, self._ledger = store, store.minings
        self._summarizer, self._budget = summarizer, budget
        self._end, self._stopping = end, stopping
        self._config = config
        self._dearest = 0.0
        self._in_a_row = 0

    def expected(self, loaded: Loaded) -> Dollars:
        """What a call may cost: as much as the dearest one so far."""
        return max(self._summarizer.expected(loaded.material), self._dearest)

    async def distil(self, mining: Mining, loaded: Loaded, expected: Dollars) -> None:
        """Ask, check, and ask once more if what came is no template."""
        if await asyncio.to_thread(self._found, mining, loaded):
            self._budget.settle(expected, 0.0)
            self._count_written()
            return
        why, spent = mining.why, 0.0
        while True:
            came = await self._ask(mining, loaded, why, expected)
            spent += came.cost or 0.0
            if came.draft is None:
                await self._note(mining, "error", came)
                self._count_failure(came)
                return
            wrong = check(
                came.draft, loaded.source, max_reasoning=loaded.material.max_reasoning
            ) or await self._keep(mining, loaded, came, spent)
            if wrong is None:
                return
            if why is not None:
                await self._note(mining, "rejected", came, wrong)
                self._count_rejection(wrong)
                return
            await self._note(mining, "again", came, wrong)
            self._count_first(wrong)
            why = wrong
            if self._stopping() or not self._budget.allows(expected):
                self._end(BUDGET)
                return
            self._budget.reserve(expected)

    def _found(self, mining: Mining, loaded: Loaded) -> bool:
        """Whether a run that was cut off has stored it already; then that is noted."""
        if mining.known is None or mining.known.state != "intent":
            return False
        found = self._ledger.find_template(loaded.template)
        if found is not None:
            self._ledger.end(mining.key, "done", template_id=found)
        return found is not None

    async def _ask(
        self, mining: Mining, loaded: Loaded, why: str | None, expected: Dollars
    ) -> Written:
        came = Written()
        try:
            await asyncio.to_thread(self._ledger.begin, mining.key, expected)
            came = await self._summarizer.write(loaded.material, why, self._config)
        finally:
            cost = came.cost or 0.0
            self._budget.settle(expected, cost)
            self.progress.spent += cost
            self._dearest = max(self._dearest, cost)
        self.progress.calls += 1
        return came

    async def _keep(
        self, mining: Mining, loaded: Loaded, came: Written, spent: Dollars
    ) -> str | None:
        """Store a template; gives what is wrong with it if that cannot be done."""
        cost = spent if came.cost is not None else None
        draft: Draft = came.draft or Draft("", "", "")
        template = written(loaded, draft, cost, time=datetime.now(UTC))
        try:
            await self._store.aadd([template])
        except DataError as error:
            return f"it cannot be stored: {error}"
        await self._note(mining, "done", came, template_id=template.id)
        self._count_written()
        return None

    async def _note(
        self,
        mining: Mining,
        state: MiningState,
        came: Written,
        wrong: str | None = None,
        **more: str,
    ) -> None:
        end, cost = self._ledger.end, came.cost or 0.0
        await asyncio.to_thread(end, mining.key, state, cost, reason=wrong, **more)

    # -- counting ----------------------------------------------------------------------------

    def _count_written(self) -> None:
        self.progress.written += 1
        self._in_a_row = 0

    def _count_first(self, why: str) -> None:
        self.progress.asked_again += 1
        self.progress.first_rejections[why] += 1

    def _count_rejection(self, why: str) -> None:
        self.progress.rejected += 1
        self.progress.rejections[why] += 1
        self._in_a_row = 0

    def _count_failure(self, came: Written) -> None:
        fault = came.fault or "other"
        self.progress.failed += 1
        self.progress.errors[fault] += 1
        self.progress.reasons.setdefault(fault, came.error or "")
        self._in_a_row += 1
        if self._in_a_row >= _IN_A_ROW:
            self._end(FAILING)
