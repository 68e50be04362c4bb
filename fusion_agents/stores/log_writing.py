"""Batches of entries and judgements into the log's tables, without losing good rows to bad ones."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple, TypeVar, get_args

from fusion_agents.errors import ConfigError, DataError, FusionError, StoreError
from fusion_agents.stores.log_rows import (
    CALIBRATION_COLUMNS,
    ENTRY_COLUMNS,
    JUDGEMENT_COLUMNS,
    QUERY_COLUMNS,
    StoredQuery,
    calibration_values,
    entry_values,
    judgement_values,
    query_from,
    query_values,
)
from fusion_agents.stores.sqlite_file import SQLiteFile
from fusion_agents.stores.training import Level, Trustee
from fusion_agents.types import Calibration, Judgement, LogEntry, Query

T = TypeVar("T", LogEntry, Judgement)
Insert = Callable[[sqlite3.Connection, Sequence[T]], int]

_BATCH_ROWS = 5000
"""Rows per transaction: keys come in random order, so a large batch writes fewer index pages."""
_BATCH_CHARACTERS = 8_000_000
"""Bounds the memory of a batch of long responses."""

UNSTORABLE = (FusionError, UnicodeError, OverflowError, sqlite3.DataError)
"""What one bad row raises; everything else concerns the file."""


class Refusal(NamedTuple):
    """An entry or a judgement that was not stored."""

    position: int
    """Where it stood in what was appended, counted from 0."""
    key: str
    """Key of the entry; of the entry that was judged, for a judgement."""
    error: FusionError
    """Why: a `DataError` for what cannot be stored, a `StoreError` for what is missing."""


def append_batches(
    file: SQLiteFile,
    nouns: Iterable[T],
    insert: Insert[T],
    on_refused: Callable[[Refusal], None] | None,
) -> int:
    """Store what comes, one transaction a batch, and count what was new.

    Raises:
        FusionError: If something was refused and nobody listens, of the class of the first.
        StoreError: If the file cannot be written.
    """
    unheard = _Unheard()
    listener = on_refused or unheard.add
    batch: list[T] = []
    stored = taken = characters = 0
    try:
        for taken, noun in enumerate(nouns, 1):
            batch.append(noun)
            characters += _length(noun)
            if len(batch) == _BATCH_ROWS or characters > _BATCH_CHARACTERS:
                full, batch, characters = batch, [], 0
                stored += _store(file, insert, full, taken - len(full), listener)
    finally:
        stored += _store(file, insert, batch, taken - len(batch), listener)
    unheard.raise_if_any()
    return stored


def _length(noun: LogEntry | Judgement) -> int:
    text = noun.response if isinstance(noun, LogEntry) else noun.reason
    return len(text) if text is not None else 0


@dataclass
class _Unheard:
    """Counts refusals that nobody listens to, until they can be raised as one error."""

    first: Refusal | None = None
    count: int = 0

    def add(self, refusal: Refusal) -> None:
        self.first = self.first or refusal
        self.count += 1

    def raise_if_any(self) -> None:
        if self.first is not None:
            _, key, error = self.first
            others = f" ({self.count - 1} more were refused)" if self.count > 1 else ""
            raise type(error)(f"entry {key!r}: {error}; the rest is stored{others}") from error


def _store(
    file: SQLiteFile,
    insert: Insert[T],
    batch: Sequence[T],
    start: int,
    on_refused: Callable[[Refusal], object],
) -> int:
    """Store a batch and then, when it is on the disk, tell what was refused."""
    if not batch:
        return 0
    refused: list[Refusal] = []
    with file.writing() as connection:
        try:
            with savepoint(connection):
                return insert(connection, batch)
        except UNSTORABLE:
            stored = _store_singly(connection, insert, batch, start, refused)
    for refusal in refused:
        on_refused(refusal)
    return stored


def _store_singly(
    connection: sqlite3.Connection,
    insert: Insert[T],
    batch: Sequence[T],
    start: int,
    refused: list[Refusal],
) -> int:
    stored = 0
    for position, noun in enumerate(batch, start):
        key = noun.key if isinstance(noun, LogEntry) else noun.entry_key
        try:
            with savepoint(connection):
                stored += insert(connection, [noun])
        except FusionError as error:
            refused.append(Refusal(position, key, error))
        except UNSTORABLE as error:
            reason = DataError(f"it cannot be stored: {error}")
            reason.__cause__ = error
            refused.append(Refusal(position, key, reason))
    return stored


def insert_entries(connection: sqlite3.Connection, entries: Sequence[LogEntry]) -> int:
    """Insert entries whose key is new, and the queries that they need."""
    queries: dict[str, StoredQuery] = {}
    rows = [entry_values(e, _query_row(connection, e.query, queries)) for e in entries]
    return connection.executemany(_insert("entries", ENTRY_COLUMNS), rows).rowcount


def insert_judgements(connection: sqlite3.Connection, judgements: Sequence[Judgement]) -> int:
    """Insert judgements whose key is new."""
    rows = [judgement_values(j, _entry_row(connection, j.entry_key)) for j in judgements]
    return connection.executemany(_insert("judgements", JUDGEMENT_COLUMNS), rows).rowcount


def insert_calibration(connection: sqlite3.Connection, calibration: Calibration) -> None:
    """Insert a calibration beside earlier ones."""
    columns = ", ".join(CALIBRATION_COLUMNS)
    marks = ", ".join("?" * len(CALIBRATION_COLUMNS))
    sql = f"INSERT INTO calibrations ({columns}) VALUES ({marks})"
    connection.execute(sql, calibration_values(calibration))


def write_trust(connection: sqlite3.Connection, kind: Trustee, name: str, level: Level) -> None:
    """Set a level in place of an earlier one.

    Raises:
        ConfigError: If there is no such kind or level.
    """
    for given, known in ((kind, get_args(Trustee)), (level, get_args(Level))):
        if given not in known:
            raise ConfigError(f"{given!r} cannot be set: choose among {', '.join(known)}")
    connection.execute("INSERT OR REPLACE INTO trust VALUES (?, ?, ?)", (kind, name, level))


def _insert(table: str, columns: Sequence[str]) -> str:
    marks = ", ".join("?" * len(columns))
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks}) ON CONFLICT (key) DO NOTHING"
    )


def _entry_row(connection: sqlite3.Connection, key: str) -> int:
    row = connection.execute("SELECT id FROM entries WHERE key = ?", (key,)).fetchone()
    if row is None:
        raise StoreError("no such entry in the log: append the entry before its judgement")
    return int(row[0])


def _query_row(connection: sqlite3.Connection, query: Query, known: dict[str, StoredQuery]) -> int:
    """Find or make the row of a query; `known` holds those that this batch has met."""
    seen = known.get(query.id)
    if seen is None or (seen.query is not query and seen.query != query):
        seen = known[query.id] = StoredQuery(store_query(connection, query), query)
    return seen.row


def store_query(connection: sqlite3.Connection, query: Query) -> int:
    """Find or make the row of a query, and fill in what the log did not know of it.

    Raises:
        DataError: If its id stands for another text.
    """
    row = connection.execute(
        f"SELECT id, {', '.join(QUERY_COLUMNS)} FROM queries WHERE query_id = ?", (query.id,)
    ).fetchone()
    if row is None:
        marks = ", ".join("?" * len(QUERY_COLUMNS))
        sql = f"INSERT INTO queries ({', '.join(QUERY_COLUMNS)}) VALUES ({marks})"
        return int(connection.execute(sql, query_values(query)).lastrowid or 0)
    number, *values = row
    stored = query_from(values)
    if stored.text != query.text:
        raise DataError(f"query id {query.id!r} stands for two different texts")
    _complete(connection, int(number), stored, query)
    return int(number)


def _complete(connection: sqlite3.Connection, row: int, stored: Query, query: Query) -> None:
    """Fill in what the log did not know of a query; what it knows already stands."""
    given = query.model_dump(exclude_none=True)
    missing = {name: given[name] for name, value in stored if value is None and name in given}
    if missing:
        values = query_values(stored.model_copy(update=missing))
        assignments = ", ".join(f"{name} = ?" for name in QUERY_COLUMNS)
        connection.execute(f"UPDATE queries SET {assignments} WHERE id = ?", (*values, row))


@contextmanager
def savepoint(connection: sqlite3.Connection) -> Iterator[None]:
    """Undo what the block did if it fails, and only that."""
    connection.execute("SAVEPOINT batch")
    try:
        yield
        connection.execute("RELEASE batch")
    except UNSTORABLE:
        connection.execute("ROLLBACK TO batch")
        connection.execute("RELEASE batch")
        raise
