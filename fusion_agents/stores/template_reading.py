"""Reading the tables of the thought templates."""

import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np
from pydantic import ValidationError

from fusion_agents.errors import StoreError
from fusion_agents.stores.log_rows import Row, Value
from fusion_agents.stores.template_rows import (
    TEMPLATE_COLUMNS,
    Hit,
    Origin,
    Status,
    StoredTemplate,
    Vector,
    matrix_from,
    template_from,
)
from fusion_agents.stores.template_writing import pages
from fusion_agents.types import Dollars, Noun, ThoughtTemplate

_COLUMNS = ", ".join(f"t.{name}" for name in TEMPLATE_COLUMNS)
_PAGE = 2_000


class State(NamedTuple):
    """Where the templates of a ledger stand."""

    ledger: str
    """Names the file, so that an index can tell its templates from another file's."""
    epoch: int
    """How often something was forgotten; an index of an earlier epoch is thrown away."""
    generation: int
    """Number of changes so far."""


class Change(NamedTuple):
    """Templates that an index has to take up, with their vectors, and those that it has to drop."""

    ids: list[str]
    vectors: "np.typing.NDArray[np.float32]"
    """Shape (n_ids, n_dims)."""
    gone: list[str]


class Wanted(NamedTuple):
    """What a search is for."""

    vector: Vector
    """Of length 1."""
    k: int
    floor: float
    """Smallest similarity."""
    tenant: str
    encoder: int
    """Row number of the encoder of that vector."""
    excluded: Collection[int]
    """Row numbers of templates that may not be found."""
    also: Collection[str] = ()
    """Ids of templates to look at beside what the index finds."""


class TemplateStats(Noun):
    """The templates in numbers; groups in order of their name count the active ones."""

    active: int
    quarantined: int
    retired: int
    merged: int
    cost: Dollars | None
    """Paid to have all of them written; none if no cost is known."""
    tenants: dict[str, int]
    tasks: dict[str, int]
    """Templates without a task are not in any."""
    sources: dict[str, int]
    encoders: tuple[str, ...]
    """Identities of those that questions were encoded with."""


def read_state(connection: sqlite3.Connection) -> State:
    """Read where the templates stand."""
    row = connection.execute("SELECT ledger, epoch, generation FROM template_state").fetchone()
    return State(*row)


def read_templates(
    connection: sqlite3.Connection, tenant: str | None, status: Status | None
) -> Iterator[StoredTemplate]:
    """Yield templates in the order in which they were stored."""
    sql = """
        SELECT id FROM templates
        WHERE (?1 IS NULL OR tenant = ?1) AND (?2 IS NULL OR status = ?2) ORDER BY id
    """
    numbers = [number for (number,) in connection.execute(sql, (tenant, status))]
    for start in range(0, len(numbers), _PAGE):
        page = numbers[start : start + _PAGE]
        rows = connection.execute(
            f"SELECT {_COLUMNS}, t.status, t.reason FROM templates t "
            f"WHERE t.id IN ({', '.join(map(str, page))}) ORDER BY t.id"
        ).fetchall()
        yield from map(_stored, rows)


def find_templates(connection: sqlite3.Connection, ids: Sequence[str]) -> list[StoredTemplate]:
    """The templates of these ids that exist, in the order in which they were stored."""
    found: list[tuple[Value, ...]] = []
    for marks, page in pages(ids):
        found += connection.execute(
            f"SELECT t.id, {_COLUMNS}, t.status, t.reason FROM templates t "
            f"WHERE t.key IN ({marks})",
            page,
        )
    return [_stored(row[1:]) for row in sorted(found, key=lambda row: int(row[0] or 0))]


def count_templates(
    connection: sqlite3.Connection, tenant: str | None, status: Status | None
) -> int:
    """Number of templates."""
    given = {"tenant": tenant, "status": status}
    terms = [f"{column} = ?" for column, value in given.items() if value is not None]
    sql = f"SELECT count(*) FROM templates WHERE {' AND '.join(terms) or '1'}"
    values = [value for value in given.values() if value is not None]
    return int(connection.execute(sql, values).fetchone()[0])


def read_hits(connection: sqlite3.Connection, ids: Sequence[str], wanted: Wanted) -> list[Hit]:
    """Those of some ids that a search may find, most similar first, at most as many as wanted.

    The ledger decides, not the index: whose a template is, whether it is active, and how similar.
    Templates that are equally similar come in the order of their ids. (The plus signs keep the
    database from looking at all templates of the tenant.)
    """
    rows: list[tuple[int, str, bytes]] = []
    for marks, page in pages(list(dict.fromkeys([*ids, *wanted.also]))):
        rows += connection.execute(
            f"""
            SELECT t.id, t.key, v.vector FROM templates t
            JOIN template_vectors v ON v.template = t.id AND v.encoder = ?{len(page) + 1}
            WHERE t.key IN ({marks}) AND +t.tenant = ?{len(page) + 2} AND +t.status = 'active'
            """,
            [*page, wanted.encoder, wanted.tenant],
        )
    rows = [row for row in rows if row[0] not in wanted.excluded]
    if not rows:
        return []
    vectors = matrix_from([vector for _, _, vector in rows])
    similarities = vectors @ wanted.vector
    order = sorted(range(len(rows)), key=lambda i: (-similarities[i], rows[i][1]))[: wanted.k]
    best = ", ".join(str(rows[i][0]) for i in order)
    sql = f"SELECT {_COLUMNS} FROM templates t WHERE t.id IN ({best})"
    found = {row[0]: row for row in connection.execute(sql)}
    return [
        Hit(_template(found[rows[i][1]]), float(similarities[i]), vectors[i])
        for i in order
        if rows[i][1] in found  # it may have been forgotten meanwhile
    ]


def read_excluded(connection: sqlite3.Connection, query_ids: Sequence[str]) -> set[int]:
    """Row numbers of templates that were distilled from a query, or have taken in such a one."""
    found: set[int] = set()
    for marks, page in pages(query_ids):
        sql = f"""
            SELECT id FROM templates WHERE query_id IN ({marks}) UNION
            SELECT m.kept FROM template_merges m JOIN templates t ON t.id = m.merged
            WHERE t.query_id IN ({marks})
        """
        found.update(number for (number,) in connection.execute(sql, page))
    return found


def read_changes(
    connection: sqlite3.Connection, tenant: str, encoder: int, since: int
) -> Iterator[Change]:
    """Yield what changed for a tenant after a generation, a page at a time."""
    rows = connection.execute(
        """
        SELECT t.key, CASE t.status WHEN 'active' THEN v.vector END
        FROM templates t
        LEFT JOIN template_vectors v ON v.template = t.id AND v.encoder = ?
        WHERE +t.tenant = ? AND t.changed > ?
        """,
        (encoder, tenant, since),
    )
    while page := list(islice(rows, _PAGE)):
        there = [(key, vector) for key, vector in page if vector is not None]
        gone = [key for key, vector in page if vector is None]
        yield Change([key for key, _ in there], matrix_from([v for _, v in there]), gone)


def read_unencoded(connection: sqlite3.Connection, encoder: int) -> list[tuple[int, str]]:
    """Row numbers and questions of templates without a vector by this encoder."""
    sql = """
        SELECT t.id, t.question FROM templates t WHERE NOT EXISTS (
            SELECT 1 FROM template_vectors WHERE template = t.id AND encoder = ?
        ) ORDER BY t.id
    """
    return connection.execute(sql, (encoder,)).fetchall()


def read_origins(connection: sqlite3.Connection, ids: Sequence[str]) -> dict[str, list[Origin]]:
    """The questions behind templates, their own first, then those of what they have taken in."""
    found: defaultdict[str, list[Origin]] = defaultdict(list)
    for marks, page in pages(ids):
        sql = f"""
            SELECT key, query_id, question, 0 AS place FROM templates WHERE key IN ({marks})
            UNION ALL
            SELECT k.key, t.query_id, t.question, t.id FROM template_merges m
            JOIN templates k ON k.id = m.kept JOIN templates t ON t.id = m.merged
            WHERE k.key IN ({marks}) ORDER BY place
        """
        for key, query_id, question, _ in connection.execute(sql, page):
            found[key].append(Origin(query_id, question))
    return dict(found)


def read_tenants(connection: sqlite3.Connection) -> list[str]:
    """Tenants that have active templates, in alphabetical order."""
    sql = "SELECT DISTINCT tenant FROM templates WHERE status = 'active' ORDER BY 1"
    return [name for (name,) in connection.execute(sql)]


def read_template_stats(connection: sqlite3.Connection) -> TemplateStats:
    """Count everything in one state of the ledger."""
    connection.execute("BEGIN")
    statuses = dict(connection.execute("SELECT status, count(*) FROM templates GROUP BY 1"))
    encoders = connection.execute("SELECT identity FROM template_encoders ORDER BY id")
    return TemplateStats(
        active=statuses.get("active", 0),
        quarantined=statuses.get("quarantined", 0),
        retired=statuses.get("retired", 0),
        merged=statuses.get("merged", 0),
        cost=connection.execute("SELECT sum(cost) FROM templates").fetchone()[0],
        tenants=_groups(connection, "tenant"),
        tasks=_groups(connection, "task"),
        sources=_groups(connection, "source"),
        encoders=tuple(identity for (identity,) in encoders),
    )


def _groups(connection: sqlite3.Connection, column: str) -> dict[str, int]:
    sql = f"""
        SELECT {column}, count(*) FROM templates
        WHERE status = 'active' AND {column} NOTNULL GROUP BY 1 ORDER BY 1
    """
    return dict(connection.execute(sql))


def _stored(row: Row) -> StoredTemplate:
    *values, status, reason = row
    return StoredTemplate(template=_template(values), status=status, reason=reason)


def _template(row: Row) -> ThoughtTemplate:
    try:
        return template_from(row)
    except ValueError as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
        raise StoreError(f"template {row[0]!r} is damaged: {reason}; restore a backup") from error
