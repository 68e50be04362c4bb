"""Answers that have both a judge's score and a measured performance, as arrays."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fusion_agents.outcomes import IntVector
from fusion_agents.stores.capping import Caps, Scored
from fusion_agents.stores.log_filter import LogFilter
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.stores.training import (
    TrainingPolicy,
    Trust,
    is_suspended,
    level_of_source,
    level_of_tenant,
)
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
    Nothing counts of what is suspended, be it the answer's source or tenant or the score's source,
    and of what is limited no more than a training policy lets count.

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
    rows: list[tuple[float, ...]] = []
    caps = Caps(TrainingPolicy())
    for entry in log.scan(where):
        said = scores.get(entry.key)
        if said is None or entry.performance is None:
            continue
        if is_suspended(trust, entry.source, entry.tenant):
            continue
        caps.add(_scored(len(rows), entry, said, trust))
        number = queries.setdefault(entry.query.id, len(queries))
        characters = len(entry.response or "")
        rows.append((said.score, entry.performance, characters, number, is_own(entry)))
    caps.settle()
    out = set().union(*caps.out.values())
    kept = [row for number, row in enumerate(rows) if number not in out]
    columns = np.array(kept, dtype=np.float64).reshape(-1, 5).T
    score, performance, length, query, own = columns
    return Pairs(score, performance, length, query.astype(np.int64), own.astype(np.bool_))


class _Said(NamedTuple):
    score: float
    limited_by: str | None
    """Its source, if that is limited."""


def _scored(row: int, entry: LogEntry, said: _Said, trust: Trust) -> Scored:
    """The limited names that answer for a pair."""
    limited_source = level_of_source(trust, entry.source) == "limited"
    limited_tenant = level_of_tenant(trust, entry.tenant) == "limited"
    return Scored(
        row=row,
        key=entry.key,
        performance=True,
        judge=True,
        source=entry.source if limited_source else None,
        tenant=entry.tenant if limited_tenant else None,
        judge_by=said.limited_by,
    )


def _scores(
    log: RoutingLog, judge: str, version: str, where: LogFilter | None, trust: Trust
) -> dict[str, _Said]:
    """The score that counts of each answer, by the key of its entry."""
    scores: dict[str, _Said] = {}
    by_trusted: set[str] = set()
    for one in log.judgements(where, judge):
        level = level_of_source(trust, one.source, judge)
        if one.judge_version != version or one.score is None or level == "suspended":
            continue
        if level == "trusted":
            by_trusted.add(one.entry_key)
        elif one.entry_key in by_trusted:
            continue
        scores[one.entry_key] = _Said(one.score, one.source if level == "limited" else None)
    return scores
