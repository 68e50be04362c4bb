"""Verdicts side by side, watched by canaries, within a budget."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

from langchain_core.runnables import RunnableConfig

from fusion_agents.errors import ConfigError, FusionError
from fusion_agents.judges.base import Case, Judge, Verdict
from fusion_agents.judging.batch import SIZE, Batch, Checked, Finding, Judged, finding, more_needed
from fusion_agents.judging.calls import BUDGET, Calls
from fusion_agents.judging.canaries import Canaries, Canary, missed
from fusion_agents.judging.cases import Cases
from fusion_agents.judging.known_answers import known_canaries
from fusion_agents.judging.progress import JudgeProgress, JudgeSummary
from fusion_agents.judging.spending import Spending
from fusion_agents.stores.batch_writer import judgement_writer
from fusion_agents.stores.log_filter import LogFilter
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.types import Dollars, Judgement, content_key

INTERRUPTED, CANARIES, FAILING = "interrupted", "canaries", "failing"
"""Why a run ended before all was done, beside `BUDGET`."""

__all__ = ["BUDGET", "CANARIES", "FAILING", "INTERRUPTED", "LogJudge", "OnProgress"]

OnProgress = Callable[[JudgeProgress], None]

_MISSES = 10
"""Wrong canaries that are remembered."""


class LogJudge:
    """Judges the answers of a log that a judge has not scored yet.

    Args:
        log: Has the answers and takes the verdicts.
        judge: Who judges.
        where: Which entries; without it, all.
        budget: Dollars that this judge may cost on this log; none for no cap.
        concurrency: Verdicts at a time, at most.
        rate: Share of the answers that are judged, in [0, 1].
        limit: Answers that are judged in this run, at most.
        canaries: Whether known answers are judged as well.
        measured_first: Whether answers whose performance was measured come first.
        source: Who judges, as the judgements say.
        seed: Of the canaries.
        on_progress: Called whenever something happens, with the same object each time.
        planned: Number of answers, where it is known.
        config: Passed on to the judge.

    Raises:
        ConfigError: If a number is none that a run can have.
    """

    def __init__(
        self,
        log: RoutingLog,
        judge: Judge,
        *,
        where: LogFilter | None = None,
        budget: Dollars | None = None,
        concurrency: int = 8,
        rate: float = 1.0,
        limit: int | None = None,
        canaries: bool = True,
        measured_first: bool = False,
        source: str = "local",
        seed: int = 0,
        on_progress: OnProgress | None = None,
        planned: int | None = None,
        config: RunnableConfig | None = None,
    ) -> None:
        _check_numbers(budget, concurrency, rate, limit)
        self.progress = JudgeProgress(planned=planned)
        self._log = log
        self._judge = judge
        self._where = where
        self._cases = Cases(
            log, judge, where=where, rate=rate, limit=limit,
            measured_first=measured_first, on_refused=self._count_refusal,
        )  # fmt: skip
        self._watched = canaries
        self._source = source
        self._seed = seed
        self._on_progress = on_progress or (lambda _: None)
        self._spending = Spending(budget)
        self._calls = Calls(
            judge, self._spending, self.progress,
            concurrency=concurrency, config=config, report=self._report,
        )  # fmt: skip
        self._writer = judgement_writer(log)

    @property
    def stopping(self) -> str | None:
        """Why nothing more is begun; none as long as something may be."""
        return self._calls.stopping

    def stop(self, grace: float = 0.0, reason: str = INTERRUPTED) -> None:
        """Begin no further verdict, and give up those that are not there within `grace` seconds."""
        self._calls.stop(reason, grace)

    async def run(self) -> JudgeSummary:
        """Judge.

        Raises:
            ConfigError: If there is a budget, and what the judge costs is not known.
            StoreError: If the log cannot be read or written; what was stored until then stays.
        """
        await self._prepare()
        try:
            async with asyncio.TaskGroup() as group:
                await self._judge_all(group)
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        finally:
            await self._writer.close()
        self._report()
        return JudgeSummary(
            progress=self.progress,
            judge=self._judge.name,
            judge_version=self._judge.version,
            stopped=self.stopping,
        )

    async def _prepare(self) -> None:
        if self._spending.cap is not None:
            self.progress.spent_before = await asyncio.to_thread(self._spent_before)
            self._spending.spent = self.progress.spent_before
        known: list[Canary] = []
        if self._watched:
            known = await asyncio.to_thread(known_canaries, self._log, self._where)
        self._canaries = Canaries(known, seed=self._seed)

    def _spent_before(self) -> float:
        return sum(one.cost or 0.0 for one in self._log.judgements(judge=self._judge.name))

    async def _judge_all(self, group: asyncio.TaskGroup) -> None:
        batches = self._cases.batches(SIZE)
        canaries = self._canaries.first
        while self.stopping is None:
            cases = await asyncio.to_thread(next, batches, None)
            if cases is None:
                return
            batch = Batch(self._store, held=self._watched)
            if self._watched:
                group.create_task(self._watch(group, batch, await self._ask(group, canaries())))
            for case in cases:
                await self._calls.begin(group, partial(self._judge_one, batch, case))
            await batch.decided.wait()
            canaries = self._canaries.later

    # -- one answer --------------------------------------------------------------------------

    async def _judge_one(self, batch: Batch, case: Case) -> None:
        verdict = await self._calls.verdict(case)
        self.progress.dropped += await batch.add(Judged(self._judgement(case, verdict), verdict))

    def _judgement(self, case: Case, verdict: Verdict) -> Judgement:
        judgement = self._judge.judgement(case, verdict, self._source)
        if verdict.score is not None or not verdict.cost:
            return judgement
        # what failed may fail in the same words again, and is paid for again
        own = content_key(judgement.key, datetime.now(UTC).isoformat())
        return judgement.model_copy(update={"key": own})

    async def _store(self, judged: Judged) -> None:
        self._count(judged.verdict, await self._writer.write(judged.judgement))
        self._report()

    def _count(self, verdict: Verdict, unstored: FusionError | None) -> None:
        progress = self.progress
        if verdict.score is not None and unstored is None:
            progress.scored += 1
        elif verdict.refused:
            self._count_refusal(verdict.reason or "")
        else:
            kind = "not stored" if unstored else verdict.error or "unscored"
            progress.failed += 1
            progress.errors[kind] += 1
            progress.reasons.setdefault(kind, str(unstored or verdict.reason or ""))

    def _count_refusal(self, why: str) -> None:
        self.progress.refused += 1
        self.progress.reasons.setdefault("refused", why)

    # -- canaries ----------------------------------------------------------------------------

    async def _ask(
        self, group: asyncio.TaskGroup, canaries: list[Canary]
    ) -> list[asyncio.Task[Checked] | None]:
        begin = self._calls.begin
        return [await begin(group, partial(self._check, canary)) for canary in canaries]

    async def _check(self, canary: Canary) -> Checked:
        verdict = await self._calls.verdict(canary.case)
        if verdict.score is None:
            self.progress.reasons.setdefault("canary without a score", verdict.reason or "")
        return Checked(canary, verdict.score)

    async def _watch(
        self, group: asyncio.TaskGroup, batch: Batch, asked: list[asyncio.Task[Checked] | None]
    ) -> None:
        """Decide on a batch; where its first canaries speak against it, ask more."""
        try:
            checked, looks = await _ended(asked), 0
            while self.stopping is None and (more := more_needed(checked, looks)):
                checked += await _ended(await self._ask(group, self._canaries.some(more)))
                looks += 1
            self._count_canaries(checked)
            await self._decide(batch, finding(checked), complete=None not in asked)
        finally:
            self.progress.dropped += await batch.settle(passed=False)

    async def _decide(self, batch: Batch, found: Finding, *, complete: bool) -> None:
        if found == "right":
            self.progress.dropped += await batch.settle(passed=complete)
        elif self.stopping is None:
            self.progress.dropped += await batch.settle(passed=False)
            self._calls.stop(CANARIES if found == "wrong" else FAILING)

    def _count_canaries(self, checked: list[Checked]) -> None:
        for canary, score in checked:
            if score is None:
                continue
            self.progress.canaries += 1
            if canary.is_right(score):
                self.progress.canaries_right += 1
            elif len(self.progress.misses) < _MISSES:
                self.progress.misses.append(missed(canary, score))
        self._report()

    def _report(self) -> None:
        self._on_progress(self.progress)


async def _ended(tasks: list[asyncio.Task[Checked] | None]) -> list[Checked]:
    """What came of those tasks that were neither cancelled nor left undone."""
    begun = [task for task in tasks if task is not None]
    if begun:
        await asyncio.wait(begun)
    return [task.result() for task in begun if not task.cancelled() and not task.exception()]


def _check_numbers(
    budget: Dollars | None, concurrency: int, rate: float, limit: int | None
) -> None:
    if concurrency < 1:
        raise ConfigError(f"concurrency must be at least 1, not {concurrency}")
    if not 0.0 <= rate <= 1.0:
        raise ConfigError(f"rate must be a share from 0 to 1, not {rate}")
    if limit is not None and limit < 0:
        raise ConfigError(f"a limit must be a number of answers, not {limit}")
    if budget is not None and not budget >= 0:
        raise ConfigError(f"a budget must be a number of dollars, not {budget}")
