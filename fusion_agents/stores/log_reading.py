"""Reading the log's tables, a little at a time.

A scan first asks which rows are meant and then fetches them in pages. So the database may use
any index, no transaction stays open while the caller thinks about an entry (SQLite could not
shorten its write-ahead file meanwhile), and what is appended during a scan does not lengthen it.
"""

import itertools
import sqlite3
from array import array
from collections.abc import Iterable, Iterator, Sequence

from pydantic import ValidationError

from fusion_agents.errors import StoreError
from fusion_agents.outcomes import Outcomes, OutcomesBuilder
from fusion_agents.stores.log_filter import LogFilter
from fusion_agents.stores.log_rows import (
    CALIBRATION_COLUMNS,
    ENTRY_COLUMNS,
    JUDGEMENT_COLUMNS,
    QUERY_COLUMNS,
    Row,
    Value,
    calibration_from,
    entry_from,
    judgement_from,
    query_from,
)
from fusion_agents.types import Arm, Calibration, Judgement, LogEntry, Query, content_key

_PAGE = 256
_ATTEMPTS = 16

_ENTRY = ", ".join(f"e.{name}" for name in ENTRY_COLUMNS)
_QUERY = ", ".join(f"q.{name}" for name in QUERY_COLUMNS)
_JUDGEMENT = ", ".join("e.key" if name == "entry" else f"j.{name}" for name in JUDGEMENT_COLUMNS)


def count_entries(connection: sqlite3.Connection, where: LogFilter) -> int:
    """Number of entries."""
    sql, values = where.condition()
    row = connection.execute(f"SELECT count(*) FROM entries e WHERE {sql}", values).fetchone()
    return int(row[0])


def read_entries(connection: sqlite3.Connection, where: LogFilter) -> Iterator[LogEntry]:
    """Yield entries in the order in which they were stored."""
    sql, values = where.condition()
    which = f"SELECT e.id FROM entries e WHERE {sql} ORDER BY e.id"
    yield from read_chosen_entries(connection, which, values)


def read_chosen_entries(
    connection: sqlite3.Connection, which: str, values: Sequence[Value] = ()
) -> Iterator[LogEntry]:
    """Yield the entries whose row numbers a statement gives."""
    width = len(ENTRY_COLUMNS)
    last: tuple[int, Query] | None = None
    for row in _pages(
        connection,
        which,
        values,
        f"SELECT {_ENTRY}, {_QUERY} FROM entries e JOIN queries q ON q.id = e.query WHERE e.id",
    ):
        try:
            if last is None or last[0] != row[1]:
                last = row[1], query_from(row[width:])
            entry = entry_from(row[:width], last[1])
        except ValueError as error:
            raise _damaged("entry", row[0], error) from error
        yield entry


def read_entries_of_keys(connection: sqlite3.Connection, keys: Iterable[str]) -> Iterator[LogEntry]:
    """Yield the entries that have these keys, a page of them at a time."""
    left = iter(dict.fromkeys(keys))
    while page := list(itertools.islice(left, _PAGE)):
        which = f"SELECT id FROM entries WHERE key IN ({', '.join('?' * len(page))}) ORDER BY id"
        yield from read_chosen_entries(connection, which, page)


def read_turn(connection: sqlite3.Connection, turn: str) -> list[LogEntry]:
    """The entries whose keys derive from a turn's and the number of the attempt."""
    found: list[LogEntry] = []
    for start in itertools.count(0, _ATTEMPTS):
        keys = [content_key("turn", turn, number) for number in range(start, start + _ATTEMPTS)]
        which = f"SELECT id FROM entries WHERE key IN ({', '.join('?' * len(keys))}) ORDER BY id"
        entries = list(read_chosen_entries(connection, which, keys))
        found += sorted(entries, key=lambda entry: keys.index(entry.key))
        if len(entries) < _ATTEMPTS:
            return found
    raise AssertionError("unreachable")


def read_judgements(
    connection: sqlite3.Connection, where: LogFilter, judge: str | None
) -> Iterator[Judgement]:
    """Yield judgements in the order in which they were stored."""
    sql, values = where.condition()
    source = "judgements j JOIN entries e ON e.id = j.entry"
    if judge is not None:
        sql, values = f"{sql} AND j.judge = ?", [*values, judge]
    for row in _pages(
        connection,
        f"SELECT j.id FROM {source} WHERE {sql} ORDER BY j.id",
        values,
        f"SELECT {_JUDGEMENT} FROM {source} WHERE j.id",
    ):
        try:
            judgement = judgement_from(row)
        except ValueError as error:
            raise _damaged("judgement of entry", row[1], error) from error
        yield judgement


def read_unjudged(
    connection: sqlite3.Connection, where: LogFilter, judge: str, version: str
) -> Iterator[LogEntry]:
    """Yield answers without a score by this version of a judge, as they were stored."""
    sql, values = where.condition()
    which = f"""
        SELECT e.id FROM entries e
        WHERE {sql} AND e.response IS NOT NULL AND e.error IS NULL AND NOT EXISTS (
            SELECT 1 FROM judgements
            WHERE entry = e.id AND judge = ? AND judge_version = ? AND score IS NOT NULL
        )
        ORDER BY e.id
    """
    yield from read_chosen_entries(connection, which, [*values, judge, version])


def read_calibrations(connection: sqlite3.Connection, judge: str | None) -> list[Calibration]:
    """The newest calibration of each version of a judge, in the order of their names."""
    columns = ", ".join(CALIBRATION_COLUMNS)
    rows = connection.execute(
        f"""
        SELECT {columns} FROM calibrations WHERE id IN (
            SELECT max(id) FROM calibrations WHERE ?1 IS NULL OR judge = ?1
            GROUP BY judge, judge_version
        )
        ORDER BY judge, judge_version
        """,
        (judge,),
    )
    return [_calibration(row) for row in rows]


def read_queries(connection: sqlite3.Connection, where: LogFilter) -> Iterator[Query]:
    """Yield queries that have an entry, in the order in which they were first stored."""
    sql, values = where.condition()
    for row in _pages(
        connection,
        f"SELECT DISTINCT e.query FROM entries e WHERE {sql} ORDER BY 1",
        values,
        f"SELECT {_QUERY} FROM queries q WHERE q.id",
    ):
        yield _query(row)


def read_outcomes(connection: sqlite3.Connection, where: LogFilter, judge: str | None) -> Outcomes:
    """Collect numbers only: no response is read, and each query once."""
    sql, values = where.condition()
    of_judge = "" if judge is None else "AND judge = ?"
    rows = connection.execute(
        f"""
        SELECT query, model, strategy, performance, cost, latency, propensity, error NOTNULL,
            (
                SELECT score FROM judgements
                WHERE entry = e.id AND score NOTNULL {of_judge} ORDER BY id DESC LIMIT 1
            )
        FROM entries e WHERE {sql} ORDER BY e.id
        """,
        [*([] if judge is None else [judge]), *values],
    )
    builder = OutcomesBuilder()
    arms: dict[tuple[str, str], Arm] = {}
    queries: dict[int, Query] = {}
    for number, model, strategy, performance, cost, latency, propensity, failed, score in rows:
        if (query := queries.get(number)) is None:
            query = queries[number] = query_at(connection, number)
        if (arm := arms.get((model, strategy))) is None:
            arm = arms[model, strategy] = Arm(model=model, strategy=strategy)
        builder.add(
            query,
            arm,
            performance=performance,
            judge=score,
            cost=cost,
            latency=latency,
            propensity=propensity,
            failed=bool(failed),
        )
    return builder.build()


def _pages(
    connection: sqlite3.Connection, which: str, values: Sequence[Value], rows: str
) -> Iterator[Row]:
    """Run `which` for the row numbers that are meant, then `rows` for a page of them at a time."""
    numbers = array("q", (number for (number,) in connection.execute(which, values)))
    for start in range(0, len(numbers), _PAGE):
        page = numbers[start : start + _PAGE].tolist()
        marks = ", ".join("?" * len(page))
        order = rows.rpartition(" ")[2]
        yield from connection.execute(f"{rows} IN ({marks}) ORDER BY {order}", page).fetchall()


def query_at(connection: sqlite3.Connection, number: int) -> Query:
    """The query of a row number."""
    sql = f"SELECT {_QUERY} FROM queries q WHERE q.id = ?"
    return _query(connection.execute(sql, (number,)).fetchone())


def _query(row: Row) -> Query:
    try:
        return query_from(row)
    except ValueError as error:
        raise _damaged("query", row[0], error) from error


def _calibration(row: Row) -> Calibration:
    try:
        return calibration_from(row)
    except ValueError as error:
        raise _damaged("calibration of judge", row[0], error) from error


def _damaged(what: str, key: str, error: ValueError) -> StoreError:
    reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
    return StoreError(f"{what} {key!r} is damaged: {reason}; restore a backup")
