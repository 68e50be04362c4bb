"""Deleting for good what a source or a tenant gave."""

import sqlite3
from collections.abc import Collection, Iterable
from typing import Protocol

from fusion_agents.types import Noun


class Forgotten(Noun):
    """How much went, or would go."""

    entries: int = 0
    judgements: int = 0
    scorings: int = 0
    calls: int = 0
    """Of the account of paid calls: with its calls, what they cost is forgotten too."""
    calibrations: int = 0
    queries: int = 0

    @property
    def anything(self) -> bool:
        """Whether there is anything of them."""
        return any(self.model_dump().values())


class Forgets(Protocol):
    """A store that can forget: a routing log, or what was derived from one."""

    def forget(
        self, *, sources: Collection[str], tenants: Collection[str], dry_run: bool
    ) -> Forgotten:
        """Delete for good what they gave, or count it; what a store does not keep is zero."""


def forget_everywhere(
    stores: Iterable[Forgets],
    *,
    sources: Collection[str] = (),
    tenants: Collection[str] = (),
    dry_run: bool = False,
) -> Forgotten:
    """Let each store forget, in their order, and sum up.

    Name stores that derive from a log before the log: if one fails, the log still knows what is
    to be forgotten, and the call can be repeated.
    """
    total = Forgotten()
    for store in stores:
        gone = store.forget(sources=sources, tenants=tenants, dry_run=dry_run).model_dump()
        total = Forgotten(**{name: n + gone[name] for name, n in total.model_dump().items()})
    return total


_SCHEMA = (
    "CREATE TEMP TABLE names (kind TEXT, name TEXT, PRIMARY KEY (kind, name))",
    "CREATE TEMP TABLE gone_entries (id INTEGER PRIMARY KEY, query INTEGER)",
    "CREATE TEMP TABLE gone_judgements (id INTEGER PRIMARY KEY)",
    "CREATE TEMP TABLE gone_calls (key TEXT PRIMARY KEY, query INTEGER)",
    "CREATE TEMP TABLE gone_queries (id INTEGER PRIMARY KEY)",
)

_MARKING = (
    """
    INSERT INTO gone_entries SELECT id, query FROM entries
    WHERE source IN (SELECT name FROM names WHERE kind = 'source')
        OR tenant IN (SELECT name FROM names WHERE kind = 'tenant')
    """,
    """
    INSERT INTO gone_judgements SELECT id FROM judgements
    WHERE source IN (SELECT name FROM names WHERE kind = 'source')
        OR entry IN (SELECT id FROM gone_entries)
    """,
    # A call that never gave an entry goes with its query, if nobody else has an answer to that.
    """
    INSERT INTO gone_calls SELECT key, query FROM calls
    WHERE entry IN (SELECT id FROM gone_entries) OR (
        entry IS NULL AND query IN (SELECT query FROM gone_entries) AND NOT EXISTS (
            SELECT 1 FROM entries
            WHERE query = calls.query AND id NOT IN (SELECT id FROM gone_entries)
        )
    )
    """,
    """
    INSERT INTO gone_queries SELECT DISTINCT query FROM gone_entries g
    WHERE NOT EXISTS (
        SELECT 1 FROM entries WHERE query = g.query AND id NOT IN (SELECT id FROM gone_entries)
    ) AND NOT EXISTS (
        SELECT 1 FROM calls WHERE query = g.query AND key NOT IN (SELECT key FROM gone_calls)
    )
    """,
)

_GONE = {
    "calibrations": """
        calibrations WHERE (judge, judge_version) IN (
            SELECT judge, judge_version FROM judgements
            WHERE id IN (SELECT id FROM gone_judgements)
        )
    """,
    "judgements": "judgements WHERE id IN (SELECT id FROM gone_judgements)",
    "scorings": "scorings WHERE entry IN (SELECT id FROM gone_entries)",
    "calls": "calls WHERE key IN (SELECT key FROM gone_calls)",
    "entries": "entries WHERE id IN (SELECT id FROM gone_entries)",
    "queries": "queries WHERE id IN (SELECT id FROM gone_queries)",
}
"""What goes, in an order in which nothing is left that points to it."""


def count_forgotten(
    connection: sqlite3.Connection, sources: Collection[str], tenants: Collection[str]
) -> Forgotten:
    """Count what would go, in one state of the log."""
    connection.execute("BEGIN")
    return _forget(connection, sources, tenants, "SELECT count(*) FROM")


def delete_forgotten(
    connection: sqlite3.Connection, sources: Collection[str], tenants: Collection[str]
) -> Forgotten:
    """Delete it; call this in a transaction."""
    return _forget(connection, sources, tenants, "DELETE FROM")


def _forget(
    connection: sqlite3.Connection,
    sources: Collection[str],
    tenants: Collection[str],
    verb: str,
) -> Forgotten:
    names = [*(("source", name) for name in sources), *(("tenant", name) for name in tenants)]
    for statement in _SCHEMA:
        connection.execute(statement)
    connection.executemany("INSERT OR IGNORE INTO names VALUES (?, ?)", names)
    for statement in _MARKING:
        connection.execute(statement)
    counts = {}
    for name, what in _GONE.items():
        cursor = connection.execute(f"{verb} {what}")
        counts[name] = cursor.rowcount if verb.startswith("DELETE") else cursor.fetchone()[0]
    for table in ("names", "gone_entries", "gone_judgements", "gone_calls", "gone_queries"):
        connection.execute(f"DROP TABLE temp.{table}")
    return Forgotten(**counts)
