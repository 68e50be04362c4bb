"""Changes to the tables of the thought templates; each one is a new generation.

Every statement here runs in a transaction that the caller has opened.
"""

import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from fusion_agents.errors import DataError, FusionError
from fusion_agents.stores.log_rows import Value
from fusion_agents.stores.log_writing import UNSTORABLE, Refusal, savepoint
from fusion_agents.stores.template_rows import (
    TEMPLATE_COLUMNS,
    Status,
    Vector,
    template_from,
    template_values,
    vector_value,
)
from fusion_agents.types import ThoughtTemplate

PAGE = 500
"""Values in one statement."""

_COLUMNS = ", ".join(TEMPLATE_COLUMNS)


class Examined(NamedTuple):
    """A template that is about to be stored."""

    template: ThoughtTemplate
    suspicion: str | None
    """Why it may not be shown to a model; none if it may."""


class Doomed(NamedTuple):
    """What to forget: templates that come from any of these."""

    sources: Sequence[str] = ()
    tenants: Sequence[str] = ()
    query_ids: Sequence[str] = ()
    entry_keys: Sequence[str] = ()


def next_generation(connection: sqlite3.Connection) -> int:
    """Begin a new generation."""
    connection.execute("UPDATE template_state SET generation = generation + 1")
    return int(connection.execute("SELECT generation FROM template_state").fetchone()[0])


def insert_templates(
    connection: sqlite3.Connection, templates: Sequence[Examined], start: int
) -> tuple[int, list[Refusal]]:
    """Insert templates whose id is new, and say which cannot be stored.

    Args:
        connection: In a transaction.
        templates: A batch of them.
        start: Position of the first one in what was added.
    """
    generation = next_generation(connection)
    stored, refused = 0, []
    for position, (template, suspicion) in enumerate(templates, start):
        try:
            with savepoint(connection):
                stored += _insert(connection, template, suspicion, generation)
        except FusionError as error:
            refused.append(Refusal(position, template.id, error))
        except UNSTORABLE as error:
            reason = DataError(f"it cannot be stored: {error}")
            reason.__cause__ = error
            refused.append(Refusal(position, template.id, reason))
    return stored, refused


def _insert(
    connection: sqlite3.Connection,
    template: ThoughtTemplate,
    suspicion: str | None,
    generation: int,
) -> int:
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM templates WHERE key = ?", (template.id,)
    ).fetchone()
    if row is not None:
        _check_same(template_from(row), template)
        return 0
    status: Status = "active" if suspicion is None else "quarantined"
    marks = ", ".join("?" * (len(TEMPLATE_COLUMNS) + 3))
    number = connection.execute(
        f"INSERT INTO templates ({_COLUMNS}, status, reason, changed) VALUES ({marks})",
        (*template_values(template), status, suspicion, generation),
    ).lastrowid
    connection.executemany(
        "INSERT OR IGNORE INTO template_entries VALUES (?, ?)",
        [(key, number) for key in template.entry_keys],
    )
    return 1


def _check_same(stored: ThoughtTemplate, given: ThoughtTemplate) -> None:
    """An id may not be taken over by another tenant or another text."""
    told = (stored.tenant, stored.text, stored.question, stored.query_id)
    if told != (given.tenant, given.text, given.question, given.query_id):
        raise DataError(f"template id {given.id!r} stands for another template")


def insert_vectors(
    connection: sqlite3.Connection, encoder: int, rows: Iterable[tuple[int, Vector]]
) -> None:
    """Insert vectors, for those templates and that encoder that are still there."""
    connection.executemany(
        """
        INSERT OR IGNORE INTO template_vectors (template, encoder, vector)
        SELECT t.id, e.id, ?3 FROM templates t, template_encoders e WHERE t.id = ?1 AND e.id = ?2
        """,
        [(template, encoder, vector_value(vector)) for template, vector in rows],
    )


def set_status(
    connection: sqlite3.Connection, ids: Sequence[str], status: Status, reason: str | None
) -> int:
    """Give templates a status, and count those that had another.

    Raises:
        DataError: If there is no such template; it names the first.
    """
    numbers = numbers_of(connection, ids)
    generation = next_generation(connection)
    changed = connection.executemany(
        "UPDATE templates SET status = ?, reason = ?, changed = ? WHERE id = ? AND status != ?",
        [(status, reason, generation, number, status) for number in numbers],
    ).rowcount
    if status != "merged":
        sql = "DELETE FROM template_merges WHERE merged = ?"
        connection.executemany(sql, [(number,) for number in numbers])
    return max(changed, 0)


def merge_templates(connection: sqlite3.Connection, kept: str, merged: Sequence[str]) -> int:
    """Let one template stand for others of its tenant.

    Raises:
        DataError: If one does not exist, is of another tenant, or is the one that is kept.
    """
    number, *others = numbers_of(connection, [kept, *merged])
    marks = ", ".join("?" * (len(others) + 1))
    sql = f"SELECT count(DISTINCT tenant) FROM templates WHERE id IN ({marks})"
    if connection.execute(sql, [number, *others]).fetchone()[0] != 1:
        raise DataError("templates of different tenants cannot be merged")
    if number in others:
        raise DataError(f"template {kept!r} cannot be merged into itself")
    changed = set_status(connection, merged, "merged", f"into {kept}") if merged else 0
    now = time.time_ns() // 1000
    for other in others:
        sql = "UPDATE template_merges SET kept = ? WHERE kept = ?"
        connection.execute(sql, (number, other))
        sql = "INSERT OR REPLACE INTO template_merges (merged, kept, time) VALUES (?, ?, ?)"
        connection.execute(sql, (other, number, now))
    return changed


def numbers_of(connection: sqlite3.Connection, ids: Sequence[str]) -> list[int]:
    """Row numbers of templates.

    Raises:
        DataError: If there is no such template; it names the first.
    """
    found: dict[str, int] = {}
    for marks, page in pages(ids):
        found.update(
            connection.execute(f"SELECT key, id FROM templates WHERE key IN ({marks})", page)
        )
    missing = [one for one in ids if one not in found]
    if missing:
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise DataError(f"no template is called {missing[0]!r}{more}")
    return [found[one] for one in ids]


def forget_templates(connection: sqlite3.Connection, doomed: Doomed) -> int:
    """Delete templates, and let those come back that had been merged into them.

    A template goes if it is of a source, a tenant or a query that is to be forgotten, if an answer
    that it was distilled from is, or if nobody else ever asked its question. An encoder that has
    learned from them goes, too.
    """
    mark_templates(connection, doomed)
    generation = next_generation(connection)
    connection.execute("UPDATE template_state SET epoch = epoch + 1")
    connection.execute(
        """
        UPDATE templates SET status = 'active', reason = NULL, changed = ?
        WHERE status = 'merged' AND id IN (
            SELECT merged FROM template_merges WHERE kept IN (SELECT id FROM temp.doomed)
        )
        """,
        (generation,),
    )
    connection.execute("DELETE FROM template_encoders WHERE learned_from NOTNULL")
    sql = "DELETE FROM templates WHERE id IN (SELECT id FROM temp.doomed)"
    return connection.execute(sql).rowcount


def mark_templates(connection: sqlite3.Connection, doomed: Doomed) -> int:
    """Note the rows of the templates that are to be forgotten in a table, and count them."""
    connection.execute("CREATE TEMP TABLE IF NOT EXISTS doomed (id INTEGER PRIMARY KEY)")
    connection.execute("DELETE FROM temp.doomed")
    for sql, given in _searches(doomed):
        for marks, page in pages(given):
            connection.execute(f"INSERT OR IGNORE INTO temp.doomed {sql.format(marks)}", page)
    return int(connection.execute("SELECT count(*) FROM temp.doomed").fetchone()[0])


def _searches(doomed: Doomed) -> Iterator[tuple[str, Sequence[str]]]:
    yield "SELECT id FROM templates WHERE source IN ({0})", doomed.sources
    yield "SELECT id FROM templates WHERE tenant IN ({0})", doomed.tenants
    yield "SELECT id FROM templates WHERE query_id IN ({0})", doomed.query_ids
    yield "SELECT template FROM template_entries WHERE entry_key IN ({0})", doomed.entry_keys
    for column, names in (("source", doomed.sources), ("tenant", doomed.tenants)):
        yield (
            "SELECT te.template FROM entries e JOIN template_entries te ON te.entry_key = e.key "
            f"WHERE e.{column} IN ({{0}})",
            names,
        )
        yield (
            "SELECT t.id FROM entries e JOIN queries q ON q.id = e.query "
            f"JOIN templates t ON t.query_id = q.query_id WHERE e.{column} IN ({{0}}) AND "
            f"NOT EXISTS (SELECT 1 FROM entries WHERE query = q.id AND {column} NOT IN ({{0}}))",
            names,
        )


def pages(values: Sequence[str]) -> Iterator[tuple[str, Sequence[Value]]]:
    """Split values into pages, each with its marks, which may stand in a statement repeatedly."""
    for start in range(0, len(values), PAGE):
        page = values[start : start + PAGE]
        yield ", ".join(f"?{i}" for i in range(1, len(page) + 1)), page
