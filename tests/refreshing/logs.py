"""Small logs whose queries tell which arm is good at them."""

from collections.abc import Iterator, Sequence

import numpy as np

from fusion_agents.outcomes import Outcomes
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.testing.outcomes import make_outcomes
from fusion_agents.types import LogEntry

START = make_outcomes(160, seed=3)


def entries(outcomes: Outcomes, rows: Sequence[int]) -> Iterator[LogEntry]:
    """Every known cell of some queries as a log entry."""
    for row in rows:
        for column, arm in enumerate(outcomes.arms):
            score = outcomes.performance[row, column]
            if np.isnan(score):
                continue
            yield LogEntry(
                query=outcomes.queries[row],
                arm=arm,
                performance=score,
                cost=outcomes.cost[row, column],
                latency=outcomes.latency[row, column],
                propensity=min(1.0, np.nan_to_num(outcomes.propensity[row, column], nan=1.0)),
            )


def filled(log: RoutingLog, n_queries: int = 100) -> RoutingLog:
    """The log with the first queries answered by every arm."""
    log.append(entries(START, range(n_queries)))
    return log
