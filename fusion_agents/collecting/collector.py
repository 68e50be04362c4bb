"""Calls side by side: each model in its own lane, none faster than its provider takes them."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from math import inf

from langchain_core.messages import HumanMessage

from fusion_agents.answering.answerer import Answerer
from fusion_agents.answering.nouns import Call
from fusion_agents.answering.policy import AnswerPolicy
from fusion_agents.collecting.budget import Budget, Forecast, check_numbers, check_prices
from fusion_agents.collecting.entries import answered, failed
from fusion_agents.collecting.lanes import Lane, LaneCooldowns
from fusion_agents.collecting.limits import AdaptiveLimit
from fusion_agents.collecting.planning import Chunk, PlannedCall, Planner
from fusion_agents.collecting.progress import CollectProgress, CollectSummary
from fusion_agents.collecting.scoring import Scorer
from fusion_agents.errors import AnswerError, DataError, FusionError, StoreError
from fusion_agents.pool.pool import Pool
from fusion_agents.stores.batch_writer import note_writer
from fusion_agents.stores.ledger import Intent, Outcome, Scoring
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.types import Arm, Dollars, LogEntry, Query

INTERRUPTED, BUDGET = "interrupted", "budget"
"""Why a run ended before all was done."""

OnProgress = Callable[[CollectProgress], None]

POLICY = AnswerPolicy(deadline=300.0, attempt_timeout=120.0, max_attempts=8, attempts_per_arm=8)
"""How hard a collection tries for each answer, where nothing else is said."""

_GAP = 0.006
"""Seconds between two calls that begin, at most. Calls that begin together end together, and then
the processor and the disk have all to do at once and nothing for the rest of the time."""
_LONGEST_REST = 3600.0
"""Seconds; a provider that asks to be left alone for longer is given up."""
_UNKNOWN = 2
"""Calls at a time, under a cap, of an arm of which it is not known how long its answers are."""
_PROBES_SHARE = 20
"""A model that has not answered yet gets one of so many calls, so that a dead one costs little."""


class Collector:
    """Makes the calls of a collection that its log does not have yet.

    Args:
        pool: Has the models, strategies and prices.
        arms: Who is asked.
        queries: What; gone through once for each model, side by side.
        log: Takes the entries and the account of calls.
        concurrency: Calls at a time over all models, at most.
        budget: Dollars that all collecting on this log may cost; none for no cap.
        policy: How hard to try for each answer.
        samples: How often each arm is asked each query.
        retry_errors: Whether calls that ended in an error in an earlier run are made again.
        score: Whether answers are scored.
        on_progress: Called whenever something happens.
        planned: Number of calls, where it is known.

    Raises:
        ConfigError: If a number is none that a collection can have.
    """

    def __init__(
        self,
        pool: Pool,
        arms: Sequence[Arm],
        queries: Iterable[Query],
        log: RoutingLog,
        *,
        concurrency: int = 40,
        budget: Dollars | None = None,
        policy: AnswerPolicy = POLICY,
        samples: int = 1,
        retry_errors: bool = True,
        score: bool = True,
        on_progress: OnProgress | None = None,
        planned: int | None = None,
    ) -> None:
        check_numbers(concurrency, samples, budget)
        self.progress = CollectProgress(planned=planned)
        self.stopping: str | None = None
        self._pool = pool
        self._ledger = log.ledger
        self._concurrency = concurrency
        self._cap = budget
        self._score = score
        self._on_progress = on_progress or (lambda _: None)
        self._planner = Planner(
            pool, self._ledger, queries, samples=samples, retry_errors=retry_errors
        )
        self._lanes = self._make_lanes(arms)
        self._answerer = Answerer(pool, policy, cooldowns=LaneCooldowns(self._lanes))
        self._writer = note_writer(self._ledger)
        self._running: set[asyncio.Task[None]] = set()
        self._under_way: Counter[Arm] = Counter()
        self._slots_taken = 0
        self._gap = _GAP
        self._changed = asyncio.Event()

    def stop(self, grace: float = 0.0, reason: str = INTERRUPTED) -> None:
        """Begin no further call, and give up those that are not done within `grace` seconds."""
        self.stopping = self.stopping or reason
        self._changed.set()
        asyncio.get_running_loop().call_later(grace, self._give_up)

    async def run(self) -> CollectSummary:
        """Make the calls.

        Raises:
            ConfigError: If a model cannot be made, or a budget lacks prices; before any call.
            StoreError: If the log cannot be written; nothing is asked any more, and what was
                answered until then is kept.
        """
        await self._prepare()
        scorer = Scorer(self._ledger, self._writer, self._count_score)
        try:
            await self._make_calls(scorer)
            if self._score and self.stopping != INTERRUPTED:
                await scorer.score_rest()
        finally:
            scorer.cancel()
            await self._writer.close()
        return await self._sum_up()

    async def _prepare(self) -> None:
        models = {lane.model for lane in self._lanes}
        if self._cap is not None:
            check_prices(self._pool, models)
        for name in models:
            await asyncio.to_thread(self._pool.chat_model, name)
        before = await asyncio.to_thread(self._ledger.totals)
        self.progress.spent_before = before.cost + before.lost
        self._budget = Budget(self._cap, self.progress.spent_before)
        known = await asyncio.to_thread(self._ledger.answer_tokens)
        self._forecast = Forecast(self._pool, known)

    def _make_lanes(self, arms: Sequence[Arm]) -> list[Lane]:
        ways: dict[str, list[Arm]] = {}
        for arm in dict.fromkeys(arms):
            ways.setdefault(arm.model, []).append(arm)
        alone = len(ways) == 1
        probes = None if alone else max(1, min(2, self._concurrency // _PROBES_SHARE))
        return [
            Lane(
                model=model,
                limit=AdaptiveLimit(self._concurrency, probes),
                chunks=self._planner.chunks(own),
            )
            for model, own in ways.items()
        ]

    async def _make_calls(self, scorer: Scorer) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                await self._begin_calls(group, scorer)
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None

    async def _begin_calls(self, group: asyncio.TaskGroup, scorer: Scorer) -> None:
        while self.stopping is None:
            self._changed.clear()
            self._plan_more(group)
            lane = self._next_lane()
            if lane is not None:
                self._slots_taken += 1
                call, number = lane.take()
                task = group.create_task(self._make(lane, call, number, scorer))
                self._running.add(task)
                task.add_done_callback(self._running.discard)
                await asyncio.sleep(self._gap)
                continue
            if self._is_over():
                break
            await self._wait()
        for lane in self._lanes:
            if lane.planning is not None:
                lane.planning.cancel()

    def _plan_more(self, group: asyncio.TaskGroup) -> None:
        for lane in self._lanes:
            if lane.wants_more:
                lane.planning = group.create_task(self._plan(lane))

    async def _plan(self, lane: Lane) -> None:
        try:
            await lane.plan(self._count_chunk)
        finally:
            lane.planning = None
            self._changed.set()

    def _next_lane(self) -> Lane | None:
        """The lane with the fewest calls under way among those that may begin one."""
        if self._slots_taken >= self._concurrency:
            return None
        free = [
            lane
            for lane in self._lanes
            if lane.ready and lane.given_up is None and lane.limit.is_free and self._may(lane)
        ]
        return min(free, key=lambda lane: lane.limit.in_flight, default=None)

    def _may(self, lane: Lane) -> bool:
        """Whether its provider wants calls now, and the budget leaves room for one."""
        return not self._answerer.cooldowns.rest(lane.model).asked and self._affordable(lane)

    def _affordable(self, lane: Lane) -> bool:
        """Whether the cap leaves room; an arm whose length is not known is asked a few at first."""
        if self._cap is None:
            return True
        call = lane.ready[0]
        if self._under_way[call.arm] >= _UNKNOWN and not self._forecast.knows(call.arm):
            return False
        return self._budget.allows(self._forecast.dollars(call))

    def _is_over(self) -> bool:
        """Whether nothing is left to begin, or nothing may be begun any more."""
        left = [lane for lane in self._lanes if not lane.is_over]
        if not left:
            return True
        if self._running or any(lane.planning for lane in left):
            return False
        if any(self._affordable(lane) for lane in left):
            return False  # its provider asked to wait
        self.stopping = BUDGET
        return True

    async def _wait(self) -> None:
        """Wait until something has changed, or a provider may be asked again."""
        rests = (self._answerer.cooldowns.rest(lane.model).asked for lane in self._lanes)
        soonest = min((seconds for seconds in rests if seconds), default=inf)
        try:
            async with asyncio.timeout(None if soonest == inf else soonest):
                await self._changed.wait()
        except TimeoutError:
            return

    async def _make(self, lane: Lane, call: PlannedCall, number: int, scorer: Scorer) -> None:
        try:
            entry, written = await self._paid(lane, call, number)
            _check(await written)
            if entry is not None:
                self._count_entry(lane, call, entry)
                if self._score:
                    scorer.offer(entry)
        except DataError as error:
            lane.close(call, failed=True)
            self.progress.refused += 1
            self.progress.reasons.setdefault("refused", str(error))
        self._report()

    async def _paid(
        self, lane: Lane, call: PlannedCall, number: int
    ) -> tuple[LogEntry | None, Awaitable[FusionError | None]]:
        """What came of a call, and when it will have been written down.

        The next call may begin before that is: its own note comes after this one.
        """
        expected = self._forecast.dollars(call)
        self._budget.reserve(expected)
        self._under_way[call.arm] += 1
        cost = 0.0
        try:
            intent = Intent(call.key, call.query, call.arm, call.sample, expected=expected)
            _check(await self._writer.write(intent))
            entry = await self._ask(lane, call, number)
            if entry is None:
                lane.put_back(call)
                return None, asyncio.sleep(0)
            cost = entry.cost or 0.0
            return entry, self._writer.write(Outcome(call.key, entry))
        finally:
            self._budget.settle(expected, cost)
            self._under_way[call.arm] -= 1
            self._slots_taken -= 1
            lane.limit.end()
            self._changed.set()

    async def _ask(self, lane: Lane, call: PlannedCall, number: int) -> LogEntry | None:
        """The entry of the call's answer or error; none if its provider was not asked."""
        query = call.query
        try:
            answer = await self._answerer.aanswer(
                Call(query=query, messages=[HumanMessage(query.text)], arms=(call.arm,))
            )
        except AnswerError as error:
            return self._failed(lane, call, number, error)
        return answered(call, answer, self._pool)

    def _failed(
        self, lane: Lane, call: PlannedCall, number: int, error: AnswerError
    ) -> LogEntry | None:
        rest = self._answerer.cooldowns.rest(lane.model)
        if rest.asked > _LONGEST_REST:
            lane.given_up = rest.reason
        if not error.attempts:
            lane.despair("rate_limit", number, str(error))
            return None
        last = error.attempts[-1]
        kind, reason = last.error or "other", last.reason or ""
        self.progress.reasons.setdefault(kind, reason)
        lane.despair(kind, number, f"{kind}: {reason}")
        return failed(call, error, self._pool)

    def _give_up(self) -> None:
        for task in self._running:
            task.cancel()

    def _count_entry(self, lane: Lane, call: PlannedCall, entry: LogEntry) -> None:
        lane.close(call, failed=entry.error is not None)
        self._forecast.learn(entry)
        progress = self.progress
        progress.spent += entry.cost or 0.0
        if entry.error is None:
            self._adapt_gap(entry.latency or 0.0)
            progress.answered += 1
            progress.estimated += entry.cost_estimated
        else:
            progress.failed += 1
            progress.errors[entry.error] += 1

    def _adapt_gap(self, latency: float) -> None:
        """Keep gaps small beside the time in which a call becomes due."""
        due = latency / self._concurrency
        self._gap += (min(_GAP, due / 2) - self._gap) / 10

    def _count_chunk(self, chunk: Chunk) -> None:
        self.progress.answered_before += chunk.answered
        self.progress.failed_before += chunk.kept_errors
        self.progress.repeated += chunk.repeated
        self._report()

    def _count_score(self, entry: LogEntry, scoring: Scoring) -> None:
        self.progress.count_score(scoring)
        self._report()

    def _report(self) -> None:
        self._changed.set()
        progress = self.progress
        progress.in_flight = self._slots_taken
        for lane in self._lanes:
            progress.limits[lane.model] = lane.limit.limit
            if lane.given_up is not None:
                progress.given_up[lane.model] = lane.given_up
        self._on_progress(progress)

    async def _sum_up(self) -> CollectSummary:
        self._report()
        try:
            totals = await asyncio.to_thread(self._ledger.totals)
        except StoreError:
            totals = None
        return CollectSummary(
            progress=self.progress,
            stopped=self.stopping,
            cut_off=0 if totals is None else totals.cut_off,
        )


def _check(refused: FusionError | None) -> None:
    """Raise why a note was not stored."""
    if refused is not None:
        raise refused
