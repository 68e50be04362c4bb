"""How the tables of the routing log came to be, one step after the other.

A step that was released is never changed; a new one is added at the end. A file's schema version
is the number of steps that it has seen. SQL here stays within what SQLite 3.24 understands.
"""

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from fusion_agents.errors import SchemaTooNewError, StoreError

APPLICATION_ID = 0x464C4F47
"""Marks a SQLite file as a routing log (the bytes `FLOG`)."""


class Migration(NamedTuple):
    """One step: its name and the statements that take it, all in one transaction."""

    name: str
    statements: tuple[str, ...]


MIGRATIONS: tuple[Migration, ...] = (
    Migration(
        "create the log",
        (
            """
            CREATE TABLE queries (
                id INTEGER PRIMARY KEY,
                query_id TEXT NOT NULL UNIQUE,
                text TEXT NOT NULL,
                task TEXT,
                ground_truth TEXT, -- JSON: a string or a list of strings
                metric TEXT,
                split TEXT
            )
            """,
            # The response comes last: what does not ask for it does not read its pages.
            """
            CREATE TABLE entries (
                id INTEGER PRIMARY KEY,
                key TEXT NOT NULL UNIQUE,
                query INTEGER NOT NULL REFERENCES queries (id),
                model TEXT NOT NULL,
                strategy TEXT NOT NULL,
                performance REAL,
                cost REAL, -- dollars
                latency REAL, -- seconds
                propensity REAL NOT NULL,
                error TEXT,
                time INTEGER, -- microseconds since 1970, UTC
                source TEXT NOT NULL,
                tenant TEXT NOT NULL,
                sample INTEGER NOT NULL,
                model_version TEXT,
                input_tokens INTEGER,
                output_tokens INTEGER,
                cached_tokens INTEGER,
                reasoning_tokens INTEGER,
                input_price REAL, -- dollars per million tokens
                output_price REAL, -- dollars per million tokens
                finish_reason TEXT,
                template_ids TEXT, -- JSON: a list of strings
                response TEXT
            )
            """,
            """
            CREATE TABLE judgements (
                id INTEGER PRIMARY KEY,
                key TEXT NOT NULL UNIQUE,
                entry INTEGER NOT NULL REFERENCES entries (id),
                judge TEXT NOT NULL,
                judge_version TEXT NOT NULL,
                score REAL,
                time INTEGER, -- microseconds since 1970, UTC
                reason TEXT
            )
            """,
            "CREATE INDEX entries_by_query ON entries (query)",
            "CREATE INDEX entries_by_arm ON entries (model, strategy)",
            "CREATE INDEX entries_by_time ON entries (time)",
            "CREATE INDEX judgements_by_entry ON judgements (entry)",
        ),
    ),
    Migration(
        "keep account of paid calls",
        (
            "ALTER TABLE entries ADD COLUMN cost_estimated INTEGER NOT NULL DEFAULT 0",
            """
            CREATE TABLE calls (
                key TEXT PRIMARY KEY,
                query INTEGER NOT NULL REFERENCES queries (id),
                model TEXT NOT NULL,
                strategy TEXT NOT NULL,
                sample INTEGER NOT NULL,
                state TEXT NOT NULL, -- intent, done or error
                attempts INTEGER NOT NULL, -- how often it was begun
                errors INTEGER NOT NULL DEFAULT 0, -- how often it ended in an error
                expected REAL NOT NULL, -- dollars that the attempt under way may cost
                lost REAL NOT NULL DEFAULT 0, -- expected dollars of attempts that never ended
                cost REAL NOT NULL DEFAULT 0, -- dollars of attempts that ended
                entry INTEGER REFERENCES entries (id), -- what the last one gave
                time INTEGER NOT NULL -- of the last change, microseconds since 1970, UTC
            ) WITHOUT ROWID
            """,
            "CREATE INDEX calls_by_entry ON calls (entry)",
            """
            CREATE TABLE scorings (
                entry INTEGER PRIMARY KEY REFERENCES entries (id),
                metric TEXT NOT NULL,
                metric_version TEXT NOT NULL,
                score REAL, -- none: it could not be scored
                reason TEXT,
                answer TEXT, -- what was read out of the response
                time INTEGER NOT NULL -- microseconds since 1970, UTC
            )
            """,
        ),
    ),
    Migration(
        "know what judgements are worth",
        (
            # Cost in dollars; SQLite takes no comment where a column is added.
            "ALTER TABLE judgements ADD COLUMN correctness REAL",
            "ALTER TABLE judgements ADD COLUMN reasoning REAL",
            "ALTER TABLE judgements ADD COLUMN usefulness REAL",
            "ALTER TABLE judgements ADD COLUMN cost REAL",
            "ALTER TABLE judgements ADD COLUMN source TEXT NOT NULL DEFAULT 'local'",
            """
            CREATE TABLE calibrations (
                id INTEGER PRIMARY KEY,
                judge TEXT NOT NULL,
                judge_version TEXT NOT NULL,
                scores TEXT NOT NULL, -- JSON: a list of numbers
                performances TEXT NOT NULL, -- JSON: as many
                n INTEGER NOT NULL, -- answers that it was learned from
                time INTEGER -- microseconds since 1970, UTC
            )
            """,
            """
            CREATE TABLE trust (
                kind TEXT NOT NULL, -- source or tenant
                name TEXT NOT NULL,
                level TEXT NOT NULL, -- trusted, limited or suspended
                PRIMARY KEY (kind, name)
            ) WITHOUT ROWID
            """,
            "CREATE INDEX calls_by_query ON calls (query)",
        ),
    ),
    Migration(
        "keep thought templates",
        (
            """
            CREATE TABLE template_state (
                ledger TEXT NOT NULL, -- tells this file's templates from another's in an index
                epoch INTEGER NOT NULL, -- how often something was forgotten
                generation INTEGER NOT NULL -- number of changes to the templates so far
            )
            """,
            "INSERT INTO template_state VALUES (lower(hex(randomblob(8))), 0, 0)",
            """
            CREATE TABLE templates (
                id INTEGER PRIMARY KEY,
                key TEXT NOT NULL UNIQUE,
                tenant TEXT NOT NULL,
                source TEXT NOT NULL,
                query_id TEXT NOT NULL,
                task TEXT,
                status TEXT NOT NULL, -- active, quarantined, retired or merged
                reason TEXT, -- why it has that status
                changed INTEGER NOT NULL, -- generation of the last change of its status
                problem TEXT NOT NULL,
                reasoning TEXT NOT NULL,
                answer_format TEXT NOT NULL,
                pitfall INTEGER NOT NULL,
                question TEXT NOT NULL,
                entry_keys TEXT, -- JSON: a list of strings
                criterion TEXT NOT NULL,
                summarizer TEXT NOT NULL,
                prompt_version TEXT NOT NULL,
                cost REAL, -- dollars
                time INTEGER -- microseconds since 1970, UTC
            )
            """,
            """
            CREATE TABLE template_entries (
                entry_key TEXT NOT NULL,
                template INTEGER NOT NULL REFERENCES templates (id) ON DELETE CASCADE,
                PRIMARY KEY (entry_key, template)
            ) WITHOUT ROWID
            """,
            """
            CREATE TABLE template_encoders (
                id INTEGER PRIMARY KEY,
                identity TEXT NOT NULL UNIQUE,
                learned_from INTEGER, -- texts; none for an encoder that came trained
                description TEXT, -- JSON, for one that was fitted here
                arrays BLOB -- safetensors, for one that was fitted here
            )
            """,
            """
            CREATE TABLE template_vectors (
                template INTEGER NOT NULL REFERENCES templates (id) ON DELETE CASCADE,
                encoder INTEGER NOT NULL REFERENCES template_encoders (id) ON DELETE CASCADE,
                vector BLOB NOT NULL, -- of the question: float32, little-endian, of length 1
                PRIMARY KEY (template, encoder)
            )
            """,
            """
            CREATE TABLE template_merges (
                merged INTEGER PRIMARY KEY REFERENCES templates (id) ON DELETE CASCADE,
                kept INTEGER NOT NULL REFERENCES templates (id) ON DELETE CASCADE,
                time INTEGER NOT NULL -- microseconds since 1970, UTC
            )
            """,
            "CREATE INDEX templates_by_tenant ON templates (tenant, status)",
            "CREATE INDEX templates_by_change ON templates (changed)",
            "CREATE INDEX templates_by_source ON templates (source)",
            "CREATE INDEX templates_by_query ON templates (query_id)",
            "CREATE INDEX template_entries_by_template ON template_entries (template)",
            "CREATE INDEX template_merges_by_kept ON template_merges (kept)",
        ),
    ),
    Migration(
        "keep account of mining templates",
        (
            # The key is a digest: nothing here tells what was asked, so forgetting leaves it alone.
            """
            CREATE TABLE minings (
                key TEXT PRIMARY KEY,
                state TEXT NOT NULL, -- intent, again, done, rejected or error
                attempts INTEGER NOT NULL, -- how often the summariser was asked
                expected REAL NOT NULL, -- dollars that the call under way may cost
                lost REAL NOT NULL DEFAULT 0, -- expected dollars of calls that never ended
                cost REAL NOT NULL DEFAULT 0, -- dollars of calls that ended
                reason TEXT, -- what was wrong with what it wrote
                template INTEGER REFERENCES templates (id) ON DELETE SET NULL,
                time INTEGER NOT NULL -- of the last change, microseconds since 1970, UTC
            ) WITHOUT ROWID
            """,
            "CREATE INDEX minings_by_template ON minings (template)",
        ),
    ),
    Migration(
        "ask whose entries may train a model",
        (
            """
            CREATE TABLE consents (
                kind TEXT NOT NULL, -- source or tenant
                name TEXT NOT NULL,
                allowed INTEGER NOT NULL, -- 1 for a consent, 0 for a refusal
                PRIMARY KEY (kind, name)
            ) WITHOUT ROWID
            """,
        ),
    ),
)

_HISTORY = """
CREATE TABLE IF NOT EXISTS migrations (
    version INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    applied TEXT NOT NULL
)
"""


def schema_version(connection: sqlite3.Connection) -> int:
    """Number of steps that the file has seen; 0 for an empty file."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def check_version(version: int, steps: Sequence[Migration], *, read_only: bool, what: str) -> None:
    """Refuse what these steps cannot lead to.

    Raises:
        SchemaTooNewError: If the file has seen steps that are not known here.
        StoreError: If steps are missing and the file may only be read.
    """
    if version > len(steps):
        raise SchemaTooNewError(
            f"{what} has schema version {version}, and this version of fusion-agents knows up to "
            f"{len(steps)}: upgrade fusion-agents; the file was not touched"
        )
    if read_only and version < len(steps):
        raise StoreError(
            f"{what} has schema version {version}, and {len(steps)} is needed: "
            "open it once for writing to bring it up to date"
        )


def migrate(connection: sqlite3.Connection, steps: Sequence[Migration], *, what: str) -> None:
    """Take the steps that the file has not seen, each in a transaction of its own.

    Several processes may do this at once: whoever waits for the other's transaction finds the
    step taken. The connection must be in autocommit mode.
    """
    check_version(schema_version(connection), steps, read_only=False, what=what)
    for version in range(schema_version(connection) + 1, len(steps) + 1):
        connection.execute("BEGIN IMMEDIATE")
        try:
            if schema_version(connection) < version:
                _take(connection, version, steps[version - 1])
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")


def _take(connection: sqlite3.Connection, version: int, step: Migration) -> None:
    connection.execute(_HISTORY)
    for statement in step.statements:
        connection.execute(statement)
    connection.execute(
        "INSERT INTO migrations VALUES (?, ?, ?)",
        (version, step.name, datetime.now(UTC).isoformat()),
    )
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {version}")
