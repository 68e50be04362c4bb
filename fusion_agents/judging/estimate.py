"""What judging a log would take, before it is done."""

from typing import NamedTuple

from fusion_agents.judges.base import Judge
from fusion_agents.judging.cases import Cases
from fusion_agents.stores.log_filter import LogFilter
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.types import Dollars


class JudgeEstimate(NamedTuple):
    """Answers, and what verdicts on them may cost."""

    answers: int
    """That are to be judged."""
    refused: int
    """That the judge refuses."""
    characters: int
    """Of queries and responses together."""
    cost: Dollars | None
    """By what this version's earlier verdicts on this log cost; none where there are none."""


def estimate(
    log: RoutingLog,
    judge: Judge,
    *,
    where: LogFilter | None = None,
    rate: float = 1.0,
    limit: int | None = None,
) -> JudgeEstimate:
    """Count what a run would judge; nobody is asked.

    Args:
        log: Has the answers.
        judge: Who would judge.
        where: Which entries; without it, all.
        rate: Share of them.
        limit: So many, at most.
    """
    refused: list[None] = []
    answers = characters = 0
    cases = Cases(
        log, judge,
        where=where, rate=rate, limit=limit, on_refused=lambda _: refused.append(None),
    )  # fmt: skip
    for case in cases:
        answers += 1
        characters += len(case.query.text) + len(case.response)
    mean = _mean_cost(log, judge) if judge.calls_models else 0.0
    return JudgeEstimate(
        answers, len(refused), characters, None if mean is None else answers * mean
    )


def _mean_cost(log: RoutingLog, judge: Judge) -> Dollars | None:
    own = (one for one in log.judgements(judge=judge.name) if one.judge_version == judge.version)
    costs = [one.cost for one in own if one.cost is not None]
    return sum(costs) / len(costs) if costs else None
