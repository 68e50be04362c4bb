"""What `fusion-agents judge` does: judge, measure the judge, keep what its scores are worth."""

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from fusion_agents.cli.judge_report import judge_progress
from fusion_agents.cli.stopping import stopping_on_signals
from fusion_agents.file_lock import locked
from fusion_agents.judges.base import Judge
from fusion_agents.judging.estimate import JudgeEstimate, estimate
from fusion_agents.judging.log_judge import BUDGET, LogJudge
from fusion_agents.judging.progress import JudgeSummary
from fusion_agents.pool.pool import Pool
from fusion_agents.stores.opening import open_log
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.types import content_key

if TYPE_CHECKING:
    from fusion_agents.judging.judge_report import JudgeReport


class Found(NamedTuple):
    """What came of it."""

    summary: JudgeSummary
    report: "JudgeReport | None"
    """None if the judge was not measured."""


def estimated(path: Path, judge: Judge, *, rate: float, limit: int | None) -> JudgeEstimate:
    """What a run would judge; the log is left as it is."""
    with open_log(path, read_only=True) as log:
        return estimate(log, judge, rate=rate, limit=limit)


def run(
    path: Path,
    judge: Judge,
    pool: Pool | None,
    *,
    calibrating: bool,
    grace: float,
    rate: float,
    limit: int | None,
    concurrency: int,
    **options: Any,
) -> Found:
    """Judge a log, and measure the judge if that is wanted and it was not found wanting."""
    own = content_key(judge.name, judge.version)[:8]
    lock = path.with_name(f"{path.name}.{judge.name}-{own}")
    with locked(lock), RoutingLog(path) as log:
        planned = _planned(log, judge, rate, limit)
        with judge_progress(planned) as on_progress:
            judging = LogJudge(
                log, judge,
                rate=rate, limit=limit, concurrency=concurrency, planned=planned,
                measured_first=calibrating, on_progress=on_progress, **options,
            )  # fmt: skip
            summary = asyncio.run(_judged(judging, grace))
        if not calibrating or summary.stopped not in (None, BUDGET):
            return Found(summary, None)
        report = _measured(log, judge, pool, summary, concurrency)
        if report.calibration is not None:
            log.append_calibration(report.calibration)
        return Found(summary, report)


async def _judged(judging: LogJudge, grace: float) -> JudgeSummary:
    with stopping_on_signals(judging, grace):
        return await judging.run()


def _planned(log: RoutingLog, judge: Judge, rate: float, limit: int | None) -> int | None:
    """Number of answers, for the bar; counted only if there is one."""
    if not sys.stderr.isatty():
        return None
    return estimate(log, judge, rate=rate, limit=limit).answers


def _measured(
    log: RoutingLog, judge: Judge, pool: Pool | None, summary: JudgeSummary, concurrency: int
) -> "JudgeReport":
    from fusion_agents.judges.pairwise import PairwiseJudge
    from fusion_agents.judging.calibrating import calibrate
    from fusion_agents.judging.kin import own_family
    from fusion_agents.judging.positions import measure_swaps

    report = calibrate(log, judge.name, judge.version, is_own=own_family(judge, pool))
    if not isinstance(judge, PairwiseJudge):
        return report
    if summary.stopped == BUDGET:
        why = "the preference for a position is not known: the budget is used up"
        return report.model_copy(update={"notes": (*report.notes, why)})
    swaps = asyncio.run(measure_swaps(log, judge, concurrency=concurrency))
    return swaps.added_to(report)
