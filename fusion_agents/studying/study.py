"""The study: templates are mined, every condition is asked, and the answers are compared."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from fusion_agents.answering.policy import AnswerPolicy
from fusion_agents.collecting.budget import check_prices
from fusion_agents.collecting.collector import POLICY, Collector
from fusion_agents.collecting.collector import OnProgress as OnCollecting
from fusion_agents.collecting.progress import CollectSummary
from fusion_agents.errors import ConfigError
from fusion_agents.pool.pool import Pool
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.studying.conditions import check_conditions, criteria_of
from fusion_agents.studying.measuring import N_BOOTSTRAP
from fusion_agents.studying.prompting import with_conditions
from fusion_agents.studying.questions import Division
from fusion_agents.studying.report import StudyReport
from fusion_agents.studying.reporting import report_on
from fusion_agents.studying.shelves import Shelves
from fusion_agents.templates.miner import FAILING, TemplateMiner
from fusion_agents.templates.miner import OnProgress as OnMining
from fusion_agents.templates.mining_progress import MiningSummary
from fusion_agents.templates.selecting import Criterion
from fusion_agents.templates.summarizing import Summarizer
from fusion_agents.types import Arm, Dollars

INTERRUPTED = "interrupted"


@dataclass(frozen=True, kw_only=True)
class StudySummary:
    """What came of a run."""

    mined: dict[Criterion, MiningSummary] = field(default_factory=dict)
    collected: CollectSummary | None = None
    """None if it did not come to that."""
    report: StudyReport | None = None
    """None if nothing was asked yet, or the run was interrupted."""
    stopped: str | None = None
    """Why something is left to do: `interrupted`, `budget`, `failing`; none if nothing is, but
    calls of models that were given up."""

    @property
    def complete(self) -> bool:
        """Whether every condition was asked every question."""
        return self.collected is not None and self.collected.complete


class _Stoppable(Protocol):
    def stop(self, grace: float) -> None: ...


class ThoughtStudy:
    """Compares ways to prompt the same model on the same questions.

    Each condition is a strategy: `answerer@zero-shot`, `answerer@thought-hybrid`, ... Model,
    options, questions and scoring are the same, and each question is asked in all conditions
    before the next one is. The same study goes on where an earlier run ended; neither templates
    nor answers are paid for twice. Once all templates of a criterion were asked for they stay as
    they are, so that no answer is compared with one to another prompt.

    Source: FusionFactory (arXiv 2507.10540), figure 6.

    Args:
        pool: Has the answerers.
        log: Has the answers that templates and examples come from, and takes the study's.
        questions: What is asked.
        answerers: Names in the pool.
        conditions: Names.
        summarizer: Writes templates; without one, those that the log has are used.
        folder: Where the study's own templates are kept; beside the log without it.
        templates_per_task: Questions of each task that may be learned from, at most.
        budget: Dollars that all runs of the study on this log may cost, templates and answers.
        concurrency: Calls at a time, at most.
        policy: How hard to try for each answer.
        seed: Of the control and of the intervals.
        n_bootstrap: Draws for each interval.
        on_mining: Called with the progress of mining.
        on_collecting: Called with the progress of asking.

    Raises:
        ConfigError: If something is wrong that can be known without asking.
    """

    def __init__(
        self,
        pool: Pool,
        log: RoutingLog,
        questions: Division,
        *,
        answerers: Sequence[str],
        conditions: Sequence[str],
        summarizer: Summarizer | None = None,
        folder: Path | None = None,
        templates_per_task: int | None = None,
        budget: Dollars | None = None,
        concurrency: int = 40,
        policy: AnswerPolicy = POLICY,
        seed: int = 0,
        n_bootstrap: int = N_BOOTSTRAP,
        on_mining: OnMining | None = None,
        on_collecting: OnCollecting | None = None,
    ) -> None:
        self.stopping: str | None = None
        self.conditions = check_conditions(conditions)
        self.arms = _arms(pool, answerers, self.conditions)
        self.pool, self.log, self.questions = pool, log, questions
        self.summarizer = summarizer
        self.folder = folder or log.path.with_name(f"{log.path.name}.study")
        self.templates_per_task = templates_per_task
        self._budget, self._concurrency, self._policy = budget, concurrency, policy
        self._seed, self._n_bootstrap = seed, n_bootstrap
        self._on_mining, self._on_collecting = on_mining, on_collecting
        self._current: _Stoppable | None = None

    @property
    def n_questions(self) -> int:
        """How many each condition is asked."""
        return len(self.questions.asked)

    def stop(self, grace: float = 0.0) -> None:
        """Begin nothing more, and give up calls that are not done within `grace` seconds."""
        self.stopping = self.stopping or INTERRUPTED
        if self._current is not None:
            self._current.stop(grace)

    async def run(self) -> StudySummary:
        """Mine, ask, and compare.

        Raises:
            ConfigError: If a model cannot be made, a price is missing that the budget needs, or
                there is nothing to learn from.
            StoreError: If the log or a store cannot be written; what was answered stays.
        """
        if self._budget is not None:
            check_prices(self.pool, {arm.model for arm in self.arms})
        with await asyncio.to_thread(self.open) as shelves:
            mined, stopped = await self._mine(shelves)
            if stopped or self.stopping:
                return StudySummary(mined=mined, stopped=stopped or self.stopping)
            pool = await asyncio.to_thread(self.prompting, shelves)
            collected = await self._ask(pool, shelves)
            if collected.stopped == INTERRUPTED:
                return StudySummary(mined=mined, collected=collected, stopped=INTERRUPTED)
            report = await asyncio.to_thread(self._report, pool, shelves, collected)
        return StudySummary(
            mined=mined, collected=collected, report=report, stopped=collected.stopped
        )

    def open(self, folder: Path | None = None) -> Shelves:
        """Open the stores of the templates, in their folder or in another one, and make them."""
        criteria = criteria_of(self.conditions)
        learned = self.questions.learned
        return Shelves(folder or self.folder, self.log, criteria, self.summarizer, learned)

    # -- templates ---------------------------------------------------------------------------

    async def _mine(self, shelves: Shelves) -> tuple[dict[Criterion, MiningSummary], str | None]:
        """Write the templates that are not there yet, one criterion after the other."""
        found: dict[Criterion, MiningSummary] = {}
        if self.summarizer is None:
            return found, None
        for criterion in shelves.stores:
            if self.stopping:
                break
            if shelves.is_full(criterion, self.templates_per_task):
                continue
            summary = found[criterion] = await self._fill(shelves, criterion, self.summarizer)
            if not summary.complete:
                return found, summary.stopped
            if summary.progress.failed and not shelves.stores[criterion].count():
                return found, FAILING
            await asyncio.to_thread(shelves.close_off, criterion, self.templates_per_task)
        return found, None

    async def _fill(
        self, shelves: Shelves, criterion: Criterion, summarizer: Summarizer
    ) -> MiningSummary:
        """Mine, and try again what failed as long as that helps."""
        while True:
            miner = self.miner(shelves, criterion, summarizer)
            self._current = miner
            summary = await miner.run()
            progress = summary.progress
            if self.stopping or not (summary.complete and progress.failed and progress.written):
                return summary

    def miner(
        self, shelves: Shelves, criterion: Criterion, summarizer: Summarizer
    ) -> TemplateMiner:
        """What writes the templates of a criterion."""
        cap = None
        if self._budget is not None:
            others = shelves.paid() - shelves.spent(criterion)
            cap = max(0.0, self._budget - self._spent_on_answers() - others)
        return TemplateMiner(
            self.log,
            summarizer,
            shelves.stores[criterion],
            criterion=criterion,
            per_task=self.templates_per_task,
            where=self.questions.learned,
            budget=cap,
            concurrency=self._concurrency,
            on_progress=self._on_mining,
        )

    def prompting(self, shelves: Shelves) -> Pool:
        """The pool with the conditions as strategies."""
        return with_conditions(
            self.pool,
            self.conditions,
            self.log,
            shelves.stores,
            learned=self.questions.learned,
            per_task=self.templates_per_task,
            seed=self._seed,
        )

    # -- answers -----------------------------------------------------------------------------

    async def _ask(self, pool: Pool, shelves: Shelves) -> CollectSummary:
        cap = None
        if self._budget is not None:  # the log's account has other collections, too
            every = self.log.ledger.totals()
            others = every.cost + every.lost - self._spent_on_answers()
            cap = others + max(0.0, self._budget - shelves.paid())
        collector = Collector(
            pool,
            self.arms,
            self.questions.asked,
            self.log,
            concurrency=self._concurrency,
            budget=cap,
            policy=self._policy,
            on_progress=self._on_collecting,
            planned=self.n_questions * len(self.arms),
        )
        self._current = collector
        if self.stopping:  # while the prompts were made
            collector.stop(reason=self.stopping)
        return await collector.run()

    def _spent_on_answers(self) -> Dollars:
        totals = self.log.ledger.totals(self.arms)
        return totals.cost + totals.lost

    def _report(self, pool: Pool, shelves: Shelves, collected: CollectSummary) -> StudyReport:
        return report_on(
            pool, self.log, self.questions, self.arms, self.conditions, shelves,
            complete=collected.complete,
            spent=self._spent_on_answers() + shelves.paid(),
            seed=self._seed,
            n_bootstrap=self._n_bootstrap,
        )  # fmt: skip


def _arms(pool: Pool, answerers: Sequence[str], conditions: Sequence[str]) -> tuple[Arm, ...]:
    if not answerers:
        raise ConfigError("say which model answers")
    for name in answerers:
        if name not in pool.models:
            known = ", ".join(map(repr, pool.models))
            raise ConfigError(f"the pool has no model {name!r}: it has {known}")
    names = dict.fromkeys(answerers)
    return tuple(Arm(model=name, strategy=way) for name in names for way in conditions)
