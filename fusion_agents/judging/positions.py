"""Whether a judge that compares prefers a position: the same pairs in both orders."""

import asyncio
from collections import defaultdict
from itertools import islice
from typing import NamedTuple

import numpy as np

from fusion_agents.evaluation.bootstrap import interval, resampled_sums
from fusion_agents.judges.asking import total_cost
from fusion_agents.judges.base import Case
from fusion_agents.judges.comparison import Comparison
from fusion_agents.judges.pairwise import PairwiseJudge
from fusion_agents.judging.cases import case_of
from fusion_agents.judging.judge_report import Figure, JudgeReport
from fusion_agents.stores.log_filter import LogFilter
from fusion_agents.stores.routing_log import RoutingLog

N_PAIRS = 50
"""Pairs that are compared, one of each query: two calls for each."""
_LOOKED_AT = 5_000


class Swaps(NamedTuple):
    """What came of it."""

    consistency: Figure
    """Share of the pairs in which the order made no difference."""
    preference: Figure
    """Mean of what an answer gets shown first less what it gets shown second."""
    n: int
    cost: float | None
    """Dollars."""

    def added_to(self, report: JudgeReport) -> JudgeReport:
        """A report with these figures."""
        return report.model_copy(
            update={
                "swap_consistency": self.consistency,
                "first_preference": self.preference,
                "n_swapped": self.n,
            }
        )


async def measure_swaps(
    log: RoutingLog,
    judge: PairwiseJudge,
    *,
    where: LogFilter | None = None,
    n_pairs: int = N_PAIRS,
    concurrency: int = 8,
    n_bootstrap: int = 1000,
    seed: int = 0,
) -> Swaps:
    """Let a judge compare pairs of answers of the log in both orders.

    Args:
        log: Has the answers; the first few thousand are looked at.
        judge: Who compares; answers of its family are left out as always.
        where: Which entries; without it, all.
        n_pairs: Pairs, at most one of each query.
        concurrency: Pairs at a time.
        n_bootstrap: Draws behind the intervals.
        seed: Of the draws.
    """
    pairs = await asyncio.to_thread(_pairs, log, judge, where, n_pairs)
    gate = asyncio.Semaphore(concurrency)

    async def compared(one: Case, other: Case) -> Comparison:
        async with gate:
            return await judge.acompare(one, other)

    found = await asyncio.gather(*(compared(one, other) for one, other in pairs))
    cost = total_cost([said.cost for one in found for said in one.said])
    orders = [one.orders for one in found if one.agreed is not None]
    table = np.array(orders, dtype=np.float64).reshape(-1, 2)
    first, second = table.T
    return Swaps(
        _mean(np.asarray(first == second, dtype=np.float64), n_bootstrap, seed),
        _mean(first - second, n_bootstrap, seed),
        len(table),
        cost,
    )


def _pairs(
    log: RoutingLog, judge: PairwiseJudge, where: LogFilter | None, n_pairs: int
) -> list[tuple[Case, Case]]:
    cases: defaultdict[str, list[Case]] = defaultdict(list)
    for entry in islice(log.scan(where), _LOOKED_AT):
        case = case_of(entry)
        met = cases[entry.query.id]
        new = entry.response and case.response not in (one.response for one in met)
        if len(met) < 2 and new and judge.model.refusal(case) is None:
            met.append(case)
    full = ((met[0], met[1]) for met in cases.values() if len(met) == 2)
    return list(islice(full, n_pairs))


def _mean(values: np.ndarray[tuple[int], np.dtype[np.float64]], n: int, seed: int) -> Figure:
    if not len(values):
        return Figure()
    sums = resampled_sums(values[:, None], np.arange(len(values)), n_bootstrap=n, seed=seed)
    low, high = interval(sums[:, 0] / len(values))
    return Figure(value=float(values.mean()), low=low, high=high)
