"""What other arms of a log got on the queries of a comparison."""

from collections.abc import Collection, Iterator

import numpy as np

from fusion_agents.distill.comparing.comparing import Pairs
from fusion_agents.distill.comparing.comparison import Reference
from fusion_agents.outcomes import Outcomes
from fusion_agents.stores.log_filter import LogFilter
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.types import Arm

_FEWEST = 10
_MOST = 30_000
_SHOWN = 8


def references(
    log: RoutingLog, pairs: Pairs, *, without: Collection[Arm] = (), teachers: Collection[str] = ()
) -> tuple[Reference, ...]:
    """The arms that the log has scores of for ten pairs or more, best first, at most eight.

    Each stands beside what base and student got on just the queries that it was asked too.

    Args:
        log: The routing log.
        pairs: The comparison's.
        without: Arms to leave out: base and student themselves.
        teachers: Names of the models that the student learned from.
    """
    scored = np.flatnonzero(pairs.paired & ~pairs.judged).tolist()
    rows = {pairs.queries[place].id: place for place in scored[:_MOST]}
    if not rows:
        return ()
    outcomes = log.outcomes(LogFilter(query_ids=tuple(rows)))
    found = _of_arms(outcomes, pairs, rows, set(without), set(teachers))
    return tuple(sorted(found, key=lambda one: (-one.performance, one.arm))[:_SHOWN])


def _of_arms(
    outcomes: Outcomes, pairs: Pairs, rows: dict[str, int], without: set[Arm], teachers: set[str]
) -> Iterator[Reference]:
    places = np.array([rows[query.id] for query in outcomes.queries], np.int64)
    for column, arm in enumerate(outcomes.arms):
        known = ~np.isnan(outcomes.performance[:, column])
        if arm in without or known.sum() < _FEWEST:
            continue
        same = pairs.scores[places[known]]
        cost = outcomes.cost[known, column]
        priced = cost[~np.isnan(cost)]
        yield Reference(
            arm=str(arm),
            n=int(known.sum()),
            performance=float(outcomes.performance[known, column].mean()),
            base=float(same[:, 0].mean()),
            student=float(same[:, 1].mean()),
            cost=float(priced.mean()) if len(priced) else None,
            teacher=arm.model in teachers,
        )
