"""The account of paid calls: that one is about to be made, and what came of it.

The intent to make a call is on the disk before the request, and its entry together with its end
after it, in one transaction. So whatever ends the process, what was acknowledged is there, no
entry is there twice, and a call that was under way can be told from one that never began.
"""

import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Literal, NamedTuple

from fusion_agents.errors import DataError, FusionError
from fusion_agents.stores.log_reading import read_chosen_entries
from fusion_agents.stores.log_rows import QUERY_COLUMNS, query_from
from fusion_agents.stores.log_writing import UNSTORABLE, insert_entries, savepoint, store_query
from fusion_agents.stores.sqlite_file import SQLiteFile
from fusion_agents.types import Arm, Dollars, LogEntry, Query

CallState = Literal["intent", "done", "error"]


class Intent(NamedTuple):
    """A call that is about to be made."""

    key: str
    query: Query
    arm: Arm
    sample: int = 0
    expected: Dollars = 0.0
    """What it may cost, as far as that can be told."""


class Outcome(NamedTuple):
    """How a call ended: its entry has an error, or it does not."""

    key: str
    entry: LogEntry


class KnownCall(NamedTuple):
    """What the ledger knows of a call."""

    state: CallState
    attempts: int
    """How often it was begun."""
    errors: int
    """How often it ended in an error; when it ended in none, or under way, it is not counted."""


class Totals(NamedTuple):
    """All calls of a ledger together."""

    done: int = 0
    errors: int = 0
    """Calls whose last attempt ended in an error."""
    under_way: int = 0
    """Calls that began and have not ended: if nobody makes them now, they were cut off."""
    attempts: int = 0
    cost: Dollars = 0.0
    """Of all attempts that ended, as far as it is known."""
    lost: Dollars = 0.0
    """What attempts that never ended may have cost: providers may bill them too."""
    cut_off: int = 0
    """Attempts that never ended."""


class Scoring(NamedTuple):
    """What a metric says of the response of an entry."""

    entry_key: str
    metric: str
    metric_version: str
    score: float | None
    """In [0, 1]; none if it could not be scored."""
    reason: str | None = None
    answer: str | None = None
    """What was read out of the response."""


class Ledger:
    """The calls of a routing log; get it as `RoutingLog.ledger`.

    Safe to share between threads. What a method has returned for is on the disk.

    Args:
        file: Where the log is.
    """

    def __init__(self, file: SQLiteFile) -> None:
        self._file = file

    def known(self, keys: Sequence[str]) -> dict[str, KnownCall]:
        """Look up calls, at most 30,000; those that were never begun are missing."""
        marks = ", ".join("?" * len(keys))
        sql = f"SELECT key, state, attempts, errors FROM calls WHERE key IN ({marks})"
        with self._file.reading() as connection:
            return {key: KnownCall(*rest) for key, *rest in connection.execute(sql, list(keys))}

    def write(
        self, outcomes: Sequence[Outcome] = (), intents: Sequence[Intent] = ()
    ) -> dict[str, FusionError]:
        """Note what came of calls, and that others are about to be made, in one transaction.

        Returns:
            By key, what is wrong with those that cannot be stored: nothing is noted of them.

        Raises:
            StoreError: If the file cannot be written; then nothing is noted.
        """
        refused: dict[str, FusionError] = {}
        now = time.time_ns() // 1000
        with self._file.writing() as connection:
            for outcome in outcomes:
                with _refusing(connection, outcome.key, refused):
                    _end(connection, outcome, now)
            for intent in intents:
                with _refusing(connection, intent.key, refused):
                    _begin(connection, intent, now)
        return refused

    def score(self, scorings: Sequence[Scoring]) -> None:
        """Give entries their performance; what an entry has already stands.

        Raises:
            StoreError: If the file cannot be written.
        """
        now = time.time_ns() // 1000
        with self._file.writing() as connection:
            for scoring in scorings:
                connection.execute(
                    "UPDATE entries SET performance = ? "
                    "WHERE key = ? AND performance IS NULL AND error IS NULL",
                    (scoring.score, scoring.entry_key),
                )
                connection.execute(
                    "INSERT OR REPLACE INTO scorings "
                    "SELECT id, ?, ?, ?, ?, ?, ? FROM entries WHERE key = ?",
                    (*scoring[1:], now, scoring.entry_key),
                )

    def complete(self, queries: Sequence[Query]) -> dict[str, FusionError]:
        """Fill in what the log did not know of queries: a ground truth, a metric, a task.

        What it knows already stands.

        Returns:
            By query id, what is wrong with those that cannot be stored.

        Raises:
            StoreError: If the file cannot be written.
        """
        refused: dict[str, FusionError] = {}
        with self._file.writing() as connection:
            for query in queries:
                with _refusing(connection, query.id, refused):
                    store_query(connection, query)
        return refused

    def queries(self, ids: Sequence[str]) -> list[Query]:
        """The queries of these ids, at most 30,000, as the log has them."""
        marks = ", ".join("?" * len(ids))
        sql = f"SELECT {', '.join(QUERY_COLUMNS)} FROM queries WHERE query_id IN ({marks})"
        with self._file.reading() as connection:
            return [query_from(row) for row in connection.execute(sql, list(ids))]

    def scorings(self) -> Iterator[Scoring]:
        """Yield what metrics said, in the order in which the entries were stored."""
        sql = """
            SELECT e.key, s.metric, s.metric_version, s.score, s.reason, s.answer
            FROM scorings s JOIN entries e ON e.id = s.entry ORDER BY s.entry
        """
        with self._file.reading() as connection:
            for row in connection.execute(sql):
                yield Scoring(*row)

    def unscored(self) -> Iterator[LogEntry]:
        """Yield answers to calls that have a ground truth and a metric, but no performance."""
        where = """
            SELECT e.id FROM calls c JOIN entries e ON e.id = c.entry
            JOIN queries q ON q.id = e.query
            WHERE e.performance IS NULL AND e.error IS NULL AND e.response IS NOT NULL
                AND q.metric IS NOT NULL AND q.ground_truth IS NOT NULL
            ORDER BY e.id
        """
        with self._file.reading() as connection:
            yield from read_chosen_entries(connection, where)

    def answer_tokens(self) -> Mapping[Arm, tuple[int, int]]:
        """Output tokens of the longest answer to a call, and number of answers, of each arm."""
        sql = """
            SELECT e.model, e.strategy, max(e.output_tokens), count(e.output_tokens)
            FROM calls c JOIN entries e ON e.id = c.entry
            WHERE e.error IS NULL AND e.output_tokens IS NOT NULL GROUP BY 1, 2
        """
        with self._file.reading() as connection:
            return {
                Arm(model=model, strategy=strategy): (int(longest), int(count))
                for model, strategy, longest, count in connection.execute(sql)
            }

    def totals(self, arms: Sequence[Arm] | None = None) -> Totals:
        """Sum up all calls, or those of arms, at most 30,000."""
        where = "TRUE"
        if arms is not None:
            where = f"model || '@' || strategy IN ({', '.join('?' * len(arms))})"
        sql = f"""
            SELECT
                coalesce(sum(state = 'done'), 0), coalesce(sum(state = 'error'), 0),
                coalesce(sum(state = 'intent'), 0), coalesce(sum(attempts), 0),
                coalesce(sum(cost), 0.0),
                coalesce(sum(lost + CASE state WHEN 'intent' THEN expected ELSE 0 END), 0.0),
                coalesce(sum(attempts - errors - (state = 'done')), 0)
            FROM calls WHERE {where}
        """
        with self._file.reading() as connection:
            return Totals(*connection.execute(sql, [str(arm) for arm in arms or ()]).fetchone())


def _begin(connection: sqlite3.Connection, intent: Intent, now: int) -> None:
    query = store_query(connection, intent.query)
    begun = connection.execute(
        """
        INSERT INTO calls (key, query, model, strategy, sample, state, attempts, expected, time)
        VALUES (?, ?, ?, ?, ?, 'intent', 1, ?, ?)
        ON CONFLICT (key) DO UPDATE SET
            attempts = attempts + 1,
            lost = lost + CASE state WHEN 'intent' THEN expected ELSE 0 END,
            state = 'intent', expected = excluded.expected, time = excluded.time
        WHERE state != 'done'
        """,
        (
            intent.key,
            query,
            intent.arm.model,
            intent.arm.strategy,
            intent.sample,
            intent.expected,
            now,
        ),
    )
    if not begun.rowcount:
        raise DataError(f"call {intent.key!r} was answered meanwhile")


def _end(connection: sqlite3.Connection, outcome: Outcome, now: int) -> None:
    entry = outcome.entry
    insert_entries(connection, [entry])
    failed = entry.error is not None
    ended = connection.execute(
        """
        UPDATE calls SET state = ?, errors = errors + ?, cost = cost + ?, time = ?,
            entry = (SELECT id FROM entries WHERE key = ?)
        WHERE key = ? AND state = 'intent'
        """,
        (
            "error" if failed else "done",
            int(failed),
            entry.cost or 0.0,
            now,
            entry.key,
            outcome.key,
        ),
    )
    if not ended.rowcount:
        raise DataError(f"call {outcome.key!r} is not under way")


@contextmanager
def _refusing(
    connection: sqlite3.Connection, key: str, refused: dict[str, FusionError]
) -> Iterator[None]:
    """Undo what the block did if it cannot be stored, and note why."""
    try:
        with savepoint(connection):
            yield
    except FusionError as error:
        refused[key] = error
    except UNSTORABLE as error:
        refused[key] = DataError(f"call {key!r} cannot be stored: {error}")
