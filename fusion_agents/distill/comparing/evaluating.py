"""A student against its base: both are asked the same held-out questions in the same way."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from fusion_agents.answering.policy import AnswerPolicy
from fusion_agents.collecting.collector import INTERRUPTED, POLICY, Collector, OnProgress
from fusion_agents.collecting.estimate import Estimate, estimate
from fusion_agents.collecting.progress import CollectSummary
from fusion_agents.distill.comparing.choosing import choices
from fusion_agents.distill.comparing.comparing import N_BOOTSTRAP, Pairs
from fusion_agents.distill.comparing.comparison import Asked, Comparison
from fusion_agents.distill.comparing.contestants import MAX_TOKENS, contestants
from fusion_agents.distill.comparing.given import read_replies
from fusion_agents.distill.comparing.leaving_out import Chosen, is_scorable, leave_out, questions_of
from fusion_agents.distill.comparing.recording import SHARE, divide, record
from fusion_agents.distill.comparing.summing_up import Context, sum_up
from fusion_agents.distill.nouns import Student, TrainingData
from fusion_agents.errors import ConfigError, EmptyLogError
from fusion_agents.file_lock import locked
from fusion_agents.judges.base import Judge
from fusion_agents.judging.log_judge import LogJudge
from fusion_agents.objective import Objective
from fusion_agents.pool.pool import Pool, PoolInput
from fusion_agents.routers.catalogue import make_router
from fusion_agents.stores.formats.writing import replacing
from fusion_agents.stores.log_filter import LogFilter
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.students.files import place_in
from fusion_agents.types import Arm, Dollars, Noun, Query

EVALUATION, COMPARISON = "evaluation.db", "comparison.json"
"""Files in the student's folder."""

_LOCAL = AnswerPolicy(deadline=86_400.0, attempt_timeout=None, max_attempts=2, attempts_per_arm=2)
_REMOTE = POLICY.model_copy(update={"max_attempts": 4, "attempts_per_arm": 4})


_MOST = 29_000
"""Queries that a judge looks at in one run."""


class _Stoppable(Protocol):
    def stop(self, grace: float) -> None: ...


class StudentEvaluation:
    """Compares a student with its base on questions that it did not learn from.

    Both get the same messages, decoding, token limit and chat template, which is checked before
    anything is asked. Answers are kept in a log of their own beside the student; the same
    evaluation goes on where an earlier run ended, and asks nothing twice. A reply without a word
    is a wrong answer; what the network or the provider broke is in no mean.

    Args:
        student: What was trained.
        log: Where other arms' scores on the same queries are.
        queries: What is asked, but for those that the student learned from.
        record: The log that is told of a part of the answers; none for none.
        base: Name in the pool, or what `init_chat_model` takes; the student's own without it.
        models: How models are made; without it, from what the student says.
        data: What the student learned from; without it, nothing is left out for that.
        out: The student's folder; only needed where its spec does not name it.
        judge: Scores answers to queries without a ground truth; without it, these are left out.
        max_tokens: Of an answer, of both.
        record_share: Of the queries, that `record` is told of.
        concurrency: Calls at a time, at most.
        budget: Dollars that all runs may cost.
        policy: How hard to try for each answer; by default as fits models here or at a provider.
        seed: Of the intervals and of what is recorded.
        n_bootstrap: Draws for each interval.
        router: Name of a router that is tried on the queries that were kept back, after
            recording; none for none.
        objective: What it chooses under.
        on_progress: Called with the progress of asking.

    Attributes:
        stopped: Why something is left to do; none if nothing is.
        collected: What came of asking; none before.

    Raises:
        ConfigError: If something is wrong that can be known without asking.
        EmptyLogError: If no query is left.
    """

    def __init__(
        self,
        student: Student,
        log: RoutingLog,
        queries: Iterable[Query],
        *,
        record: RoutingLog | None = None,
        base: str | None = None,
        models: Pool | Mapping[str, PoolInput] | None = None,
        data: TrainingData | None = None,
        out: Path | None = None,
        judge: Judge | None = None,
        max_tokens: int = MAX_TOKENS,
        record_share: float = SHARE,
        concurrency: int = 8,
        budget: Dollars | None = None,
        policy: AnswerPolicy | None = None,
        seed: int = 0,
        n_bootstrap: int = N_BOOTSTRAP,
        router: str | None = None,
        objective: str = "performance-first",
        on_progress: OnProgress | None = None,
    ) -> None:
        self.stopped: str | None = None
        self.collected: CollectSummary | None = None
        self.student, self.log, self.out = student, log, _folder(student, out)
        self.contestants = contestants(student, base=base, models=models, max_tokens=max_tokens)
        self.chosen = _chosen(queries, data, scorable=judge is None)
        self._record, self._record_share = record, record_share
        self._data, self._judge = data, judge
        self._concurrency, self._budget = concurrency, budget
        self._policy = policy or (_REMOTE if student.folder is None else _LOCAL)
        self._seed, self._n_bootstrap = seed, n_bootstrap
        self._router, self._objective = router, objective
        self._on_progress = on_progress
        self._current: _Stoppable | None = None
        if router is not None:
            make_router(router)
            Objective.parse(objective)
        if record is not None and not 0 < record_share <= 1:
            raise ConfigError(
                f"the share of recorded queries must lie in (0, 1], not {record_share}"
            )

    @property
    def arms(self) -> tuple[Arm, Arm]:
        """Base and student, as the evaluation's own log names them."""
        return self.contestants.base, self.contestants.student

    @property
    def is_local(self) -> bool:
        """Whether both answer on this machine, for nothing."""
        members = (self.contestants.pool.models[arm.model] for arm in self.arms)
        return all(place_in(member.what) is not None for member in members)

    @property
    def stopping(self) -> str | None:
        """Why nothing more is begun; none as long as something may be."""
        return self.stopped

    def stop(self, grace: float = 0.0) -> None:
        """Begin nothing more, and give up calls that are not done within `grace` seconds."""
        self.stopped = self.stopped or INTERRUPTED
        if self._current is not None:
            self._current.stop(grace)

    def estimate(self) -> Estimate:
        """The calls that are left to make, and what they may cost. It may block."""
        path = self.out / EVALUATION
        with TemporaryDirectory() as folder:
            there = path if path.exists() else Path(folder) / path.name
            with RoutingLog(there) as own:
                return estimate(self.contestants.pool, self.arms, self._left(own), own)

    async def run(self) -> Comparison:
        """Check, ask, score, compare, and record.

        Raises:
            ConfigError: If base and student would not be asked in the same way, or another
                process evaluates this student.
            StoreError: If a log cannot be written; what was answered stays.
        """
        how = await asyncio.to_thread(self.contestants.check)
        await asyncio.to_thread(self.out.mkdir, parents=True, exist_ok=True, mode=0o700)
        path = self.out / EVALUATION
        with locked(path):
            own = await asyncio.to_thread(RoutingLog, path)
            with own:
                complete = await self._ask(own)
                await self._judge_rest(own)
                return await asyncio.to_thread(self._compare, own, how, complete)

    # -- asking ------------------------------------------------------------------------------

    def _left(self, own: RoutingLog) -> list[Query]:
        """Queries that one of the two has not answered; a reply without a word is an answer."""
        pool, queries = self.contestants.pool, self.chosen.queries
        replies = [read_replies(pool, arm, queries, own) for arm in self.arms]
        return [query for query in queries if not all(one.is_settled(query) for one in replies)]

    async def _ask(self, own: RoutingLog) -> bool:
        """Whether each call has an answer or a fault now."""
        left = await asyncio.to_thread(self._left, own)
        collector = Collector(
            self.contestants.pool,
            self.arms,
            left,
            own,
            concurrency=self._concurrency,
            budget=self._budget,
            policy=self._policy,
            on_progress=self._on_progress,
            planned=len(left) * len(self.arms),
        )
        self._current = collector
        if self.stopped:
            collector.stop()
        self.collected = await collector.run()
        self.stopped = self.stopped or self.collected.stopped
        return self.collected.complete

    async def _judge_rest(self, own: RoutingLog) -> None:
        ids = tuple(query.id for query in self.chosen.queries if not is_scorable(query))
        if self._judge is None or self.stopped or not ids:
            return
        judging = LogJudge(
            own,
            self._judge,
            where=LogFilter(arms=tuple(map(str, self.arms)), query_ids=ids[:_MOST]),
            concurrency=self._concurrency,
            canaries=False,
        )
        self._current = judging
        summary = await judging.run()
        self.stopped = self.stopped or summary.stopped

    # -- figures -----------------------------------------------------------------------------

    def _compare(self, own: RoutingLog, how: Asked, complete: bool) -> Comparison:
        pool, queries = self.contestants.pool, self.chosen.queries
        base, student = (read_replies(pool, arm, queries, own) for arm in self.arms)
        pairs = Pairs(queries, base, student)
        totals = own.ledger.totals(self.arms)
        context = Context(
            student=self.student,
            asked=self.contestants,
            how=how,
            left_out=self.chosen.left_out,
            data=self._data,
            complete=complete,
            spent=totals.cost + totals.lost,
            seed=self._seed,
            n_bootstrap=self._n_bootstrap,
        )
        found = sum_up(pairs, self.log, context)
        if self._record is not None and complete:
            found = found.model_copy(update=self._told(self._record, pairs, own))
        with replacing(self.out / COMPARISON) as file:
            file.write(found.model_dump_json(indent=1).encode())
        return found

    def _told(self, log: RoutingLog, pairs: Pairs, own: RoutingLog) -> dict[str, Noun]:
        """What the log was told, and what a router makes of it."""
        division = divide(pairs, self._record_share, seed=self._seed)
        told: dict[str, Noun] = {"recorded": record(log, pairs, self.contestants, own, division)}
        if self._router is not None and division.kept_back:
            told["choices"] = choices(
                log, pairs, self.contestants, division.kept_back,
                router=self._router, objective=self._objective, seed=self._seed,
            )  # fmt: skip
        return told


async def evaluate_student(
    student: Student,
    log: RoutingLog,
    queries: Iterable[Query],
    *,
    record: RoutingLog | None = None,
    base: str | None = None,
    models: Pool | Mapping[str, PoolInput] | None = None,
    data: TrainingData | None = None,
    out: Path | None = None,
    judge: Judge | None = None,
    max_tokens: int = MAX_TOKENS,
    record_share: float = SHARE,
    concurrency: int = 8,
    budget: Dollars | None = None,
    policy: AnswerPolicy | None = None,
    seed: int = 0,
    n_bootstrap: int = N_BOOTSTRAP,
    router: str | None = None,
    objective: str = "performance-first",
    on_progress: OnProgress | None = None,
) -> Comparison:
    """Compare a student with its base; see `StudentEvaluation`.

    Cancelling the task stops it: calls under way are given up, what was answered is kept.

    Raises:
        ConfigError: If something is wrong that can be known without asking.
        EmptyLogError: If no query is left.
        StoreError: If a log cannot be written.
    """
    run = StudentEvaluation(
        student, log, queries,
        record=record, base=base, models=models, data=data, out=out, judge=judge,
        max_tokens=max_tokens, record_share=record_share, concurrency=concurrency, budget=budget,
        policy=policy, seed=seed, n_bootstrap=n_bootstrap, router=router, objective=objective,
        on_progress=on_progress,
    )  # fmt: skip
    return await run.run()


def _folder(student: Student, out: Path | None) -> Path:
    folder = out or student.folder
    if folder is not None:
        return folder
    raise ConfigError(
        f"where is the folder of {student.name!r}? give out=, as {student.spec!r} does not say it"
    )


def _chosen(queries: Iterable[Query], data: TrainingData | None, *, scorable: bool) -> Chosen:
    trained: Sequence[Query] = () if data is None else questions_of(data)
    chosen = leave_out(queries, trained, scorable=scorable)
    if chosen.queries:
        return chosen
    left_out = chosen.left_out
    raise EmptyLogError(
        "there is no query to compare base and student on: "
        f"{left_out.trained + left_out.near_duplicates:,} were learned from, or nearly so, and "
        f"{left_out.unscorable:,} have no ground truth or no metric; give held-out queries"
    )
