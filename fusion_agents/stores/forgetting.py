"""Deleting for good what a source or a tenant gave."""

import sqlite3
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from fusion_agents.stores.template_writing import Doomed, forget_templates, mark_templates
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
    templates: int = 0
    """Thought templates that were distilled from them."""
    consents: int = 0
    """Consents to train students; refusals stay."""

    @property
    def anything(self) -> bool:
        """Whether there is anything of them."""
        return any(self.model_dump().values())


_MARKS = {
    "names": "kind TEXT, name TEXT, PRIMARY KEY (kind, name)",
    "gone_entries": "id INTEGER PRIMARY KEY, query INTEGER",
    "gone_judgements": "id INTEGER PRIMARY KEY",
    "gone_calls": "key TEXT PRIMARY KEY, query INTEGER",
    "gone_queries": "id INTEGER PRIMARY KEY",
}

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
    "consents": "consents WHERE allowed AND (kind, name) IN (SELECT kind, name FROM names)",
}
"""What goes, in an order in which nothing is left that points to it."""


def count_forgotten(
    connection: sqlite3.Connection, sources: Collection[str], tenants: Collection[str]
) -> Forgotten:
    """Count what would go, in one state of the log."""
    connection.execute("BEGIN")
    with _marked(connection, sources, tenants):
        return Forgotten(
            templates=mark_templates(connection, _doomed(connection, sources, tenants)),
            **{
                name: connection.execute(f"SELECT count(*) FROM {what}").fetchone()[0]
                for name, what in _GONE.items()
            },
        )


def delete_forgotten(
    connection: sqlite3.Connection, sources: Collection[str], tenants: Collection[str]
) -> Forgotten:
    """Delete it; call this in a transaction."""
    with _marked(connection, sources, tenants):
        return Forgotten(
            templates=forget_templates(connection, _doomed(connection, sources, tenants)),
            **{
                name: connection.execute(f"DELETE FROM {what}").rowcount
                for name, what in _GONE.items()
            },
        )


def _doomed(
    connection: sqlite3.Connection, sources: Collection[str], tenants: Collection[str]
) -> Doomed:
    ids = connection.execute(
        "SELECT query_id FROM queries WHERE id IN (SELECT id FROM gone_queries)"
    )
    return Doomed(tuple(sources), tuple(tenants), query_ids=[query_id for (query_id,) in ids])


@contextmanager
def _marked(
    connection: sqlite3.Connection, sources: Collection[str], tenants: Collection[str]
) -> Iterator[None]:
    """Note in tables that only this connection sees which rows are meant."""
    for name, columns in _MARKS.items():
        connection.execute(f"CREATE TEMP TABLE {name} ({columns})")
    names = [*(("source", name) for name in sources), *(("tenant", name) for name in tenants)]
    connection.executemany("INSERT OR IGNORE INTO names VALUES (?, ?)", names)
    for statement in _MARKING:
        connection.execute(statement)
    yield
    for name in _MARKS:
        connection.execute(f"DROP TABLE temp.{name}")
