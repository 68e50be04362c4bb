"""What is in a log, in numbers."""

import sqlite3

from pydantic import AwareDatetime

from fusion_agents.stores.log_rows import Row, time_from
from fusion_agents.types import Arm, Noun

_COUNTS = """
    count(*), count(DISTINCT e.query), count(e.error), count(e.performance),
    avg(e.performance), sum(e.cost)
"""


class GroupStats(Noun):
    """One arm, task, source or tenant in numbers."""

    name: str
    entries: int
    queries: int
    errors: int
    """Failed attempts."""
    scored: int
    """Entries with a performance: what its mean is over."""
    performance: float | None
    """Mean performance; none if nothing was scored."""
    cost: float | None
    """Total dollars; none if no cost is known."""


class LogStats(Noun):
    """A log in numbers; groups in order of their name."""

    entries: int
    queries: int
    errors: int
    """Failed attempts."""
    scored: int
    """Entries with a performance."""
    judged: int
    """Entries with at least one judge score."""
    performance: float | None
    """Mean performance; none if nothing was scored."""
    cost: float | None
    """Total dollars; none if no cost is known."""
    first: AwareDatetime | None
    """The earliest entry's time, where any is known."""
    last: AwareDatetime | None
    """The latest entry's time, where any is known."""
    arms: tuple[GroupStats, ...]
    tasks: tuple[GroupStats, ...]
    """Entries without a task are not in any."""
    sources: tuple[GroupStats, ...]
    tenants: tuple[GroupStats, ...]


def read_stats(connection: sqlite3.Connection) -> LogStats:
    """Count everything in one state of the log."""
    connection.execute("BEGIN")
    totals = connection.execute(f"SELECT {_COUNTS}, min(e.time), max(e.time) FROM entries e")
    entries, _, errors, scored, performance, cost, first, last = totals.fetchone()
    return LogStats(
        entries=entries,
        queries=_number(connection, "SELECT count(*) FROM queries"),
        errors=errors,
        scored=scored,
        judged=_number(
            connection, "SELECT count(DISTINCT entry) FROM judgements WHERE score IS NOT NULL"
        ),
        performance=performance,
        cost=cost,
        first=time_from(first),
        last=time_from(last),
        arms=_arms(connection),
        tasks=_groups(connection, "q.task", "JOIN queries q ON q.id = e.query AND q.task NOTNULL"),
        sources=_groups(connection, "e.source"),
        tenants=_groups(connection, "e.tenant"),
    )


def _number(connection: sqlite3.Connection, sql: str) -> int:
    return int(connection.execute(sql).fetchone()[0])


def _arms(connection: sqlite3.Connection) -> tuple[GroupStats, ...]:
    rows = connection.execute(
        f"SELECT model, strategy, {_COUNTS} FROM entries e GROUP BY model, strategy"
    )
    groups = [
        _group(str(Arm(model=model, strategy=strategy)), row) for model, strategy, *row in rows
    ]
    return tuple(sorted(groups, key=lambda group: group.name))


def _groups(connection: sqlite3.Connection, by: str, join: str = "") -> tuple[GroupStats, ...]:
    rows = connection.execute(f"SELECT {by}, {_COUNTS} FROM entries e {join} GROUP BY 1 ORDER BY 1")
    return tuple(_group(name, row) for name, *row in rows)


def _group(name: str, row: Row) -> GroupStats:
    entries, queries, errors, scored, performance, cost = row
    return GroupStats(
        name=name,
        entries=entries,
        queries=queries,
        errors=errors,
        scored=scored,
        performance=performance,
        cost=cost,
    )
