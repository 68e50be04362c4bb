"""Answers that have both a judge's score and a measured performance, as arrays."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fusion_agents.outcomes import IntVector
from fusion_agents.stores.log_filter import LogFilter
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.stores.training import Trust, is_suspended, level_of_source
from fusion_agents.types import LogEntry

FloatVector = NDArray[np.float64]


class Pairs(NamedTuple):
    """Each of shape (n_answers,)."""

    score: FloatVector
    performance: FloatVector
    length: FloatVector
    """Characters of the response."""
    query: IntVector
    """Number of the query; only equality counts."""
    own: NDArray[np.bool_]
    """Whether the answer is of the judge's own family."""

    def take(self, rows: IntVector) -> "Pairs":
        """Some of them."""
        return Pairs(
            self.score[rows],
            self.performance[rows],
            self.length[rows],
            self.query[rows],
            self.own[rows],
        )


def read_pairs(
    log: RoutingLog,
    judge: str,
    version: str,
    *,
    where: LogFilter | None = None,
    is_own: Callable[[LogEntry], bool] = lambda _: False,
) -> Pairs:
    """Read what has both, as it counts when a router learns.

    Of several scores of one answer the newest counts, of a trusted source where there is one.
    Nothing counts of what is suspended, be it the answer's source or tenant or the score's source.

    Args:
        log: Where from.
        judge: Whose scores.
        version: Of that judge.
        where: Which entries; without it, all.
        is_own: Whether an entry is of the judge's own model family.
    """
    trust = log.trust()
    scores = _scores(log, judge, version, where, trust)
    queries: dict[str, int] = {}
    rows = [
        (
            scores[entry.key],
            entry.performance,
            len(entry.response or ""),
            queries.setdefault(entry.query.id, len(queries)),
            is_own(entry),
        )
        for entry in log.scan(where)
        if entry.performance is not None
        and entry.key in scores
        and not is_suspended(trust, entry.source, entry.tenant)
    ]
    columns = np.array(rows, dtype=np.float64).reshape(-1, 5).T
    score, performance, length, query, own = columns
    return Pairs(score, performance, length, query.astype(np.int64), own.astype(np.bool_))


def _scores(
    log: RoutingLog, judge: str, version: str, where: LogFilter | None, trust: Trust
) -> dict[str, float]:
    """The score that counts of each answer, by the key of its entry."""
    scores: dict[str, float] = {}
    by_trusted: set[str] = set()
    for one in log.judgements(where, judge):
        level = level_of_source(trust, one.source, judge)
        if one.judge_version != version or one.score is None or level == "suspended":
            continue
        if level == "trusted":
            by_trusted.add(one.entry_key)
        elif one.entry_key in by_trusted:
            continue
        scores[one.entry_key] = one.score
    return scores
