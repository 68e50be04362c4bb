"""Judging as one call."""

from fusion_agents.judges.base import Judge
from fusion_agents.judging.log_judge import LogJudge, OnProgress
from fusion_agents.judging.progress import JudgeSummary
from fusion_agents.stores.log_filter import LogFilter
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.types import Dollars


async def judge_log(
    log: RoutingLog,
    judge: Judge,
    *,
    where: LogFilter | None = None,
    budget: Dollars | None = None,
    concurrency: int = 8,
    rate: float = 1.0,
    limit: int | None = None,
    canaries: bool = True,
    source: str = "local",
    on_progress: OnProgress | None = None,
) -> JudgeSummary:
    """Judge what is in a log and was not scored by this version of the judge yet.

    The same line goes on where an earlier run ended, whatever ended it: verdicts are stored as
    they come, so a killed run repeats at most the calls that were under way and those whose
    verdict was not on the disk yet. A verdict without a score is stored with its reason, and
    tried again by the next run; it is never a zero.

    The judge is watched by canaries, answers of which it is known how good they are: with each
    100 answers it is asked about ten of them, with the first about twenty, and the verdicts on a
    batch wait until it is known that nine in ten were right. If they are not, twenty more are
    asked, and forty more where it is close; if nine in ten of all of these are not right either,
    the run ends, and nothing of that batch is stored. The same if the judge gives no score to
    most of them. Judges of something else than whether answers are right need `canaries=False`.

    Cancelling the task stops it: calls under way are given up, what was stored stays.

    Args:
        log: Has the answers and takes the verdicts.
        judge: Who judges.
        where: Which entries; without it, all.
        budget: Dollars that this judge may cost on this log; its model's price must be known.
        concurrency: Verdicts at a time, at most.
        rate: Share of the answers that are judged. Which ones depends on their keys only, so
            that repeating judges the same.
        limit: Answers that are judged now, at most.
        canaries: Whether the judge is watched.
        source: Who judges, as the judgements say.
        on_progress: Called whenever something happens, with the same object each time.

    Raises:
        ConfigError: If a number is none that a run can have, or there is a budget and what the
            judge costs is not known.
        StoreError: If the log cannot be read or written.
    """
    run = LogJudge(
        log, judge,
        where=where, budget=budget, concurrency=concurrency, rate=rate, limit=limit,
        canaries=canaries, source=source, on_progress=on_progress,
    )  # fmt: skip
    return await run.run()
