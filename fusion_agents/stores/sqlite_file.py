"""One SQLite file, opened with care: who may read it, what stays when a process dies.

The file is in write-ahead mode: readers never wait for a writer nor a writer for readers.
`synchronous=FULL`: a commit returns when the data is on the disk, so that it outlives the process
and the machine's power; batches make one flush serve hundreds of rows.
"""

import os
import sqlite3
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from fusion_agents.errors import StoreError
from fusion_agents.stores.migrations import (
    APPLICATION_ID,
    Migration,
    check_version,
    migrate,
    schema_version,
)

_PATIENCE = 60.0
"""Seconds to wait for another process's write."""

_PATIENCE_WITH_READERS = 15.0
"""Seconds to try to empty the write-ahead log while others use the file."""

_MAGIC = b"SQLite format 3\0"

# Closing any descriptor of a file drops all locks that this process holds on it: while this lock
# is not held, a file is touched through SQLite only, which knows about that.
_OPENING = threading.RLock()

_EXPLANATIONS = {
    sqlite3.SQLITE_FULL: "the disk is full; what was acknowledged is kept: free some space",
    sqlite3.SQLITE_IOERR: "the disk does not take or give data; what was acknowledged is kept",
    sqlite3.SQLITE_BUSY: f"another process kept it locked for {_PATIENCE:.0f} seconds",
    sqlite3.SQLITE_READONLY: "it may not be written: check the permissions of file and folder",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened: check the permissions of file and folder",
    sqlite3.SQLITE_CORRUPT: "the file is damaged: restore a backup",
    sqlite3.SQLITE_NOTADB: "it is not a SQLite file",
}


class SQLiteFile:
    """A file with one connection that writes and a fresh one for each read.

    Any number of threads and processes may use the file at once: a lock lets one thread write at
    a time, and SQLite one process. After a fork the child must open the file itself.

    Args:
        path: Created with mode 600 if it does not exist; its folder must exist.
        migrations: Steps to the schema that the caller needs.
        read_only: Write nothing; the file must exist and have that schema.

    Raises:
        StoreError: If the file cannot be opened, or is not what the caller expects.
        SchemaTooNewError: If a newer version made it; it is left as it was, to the byte.
    """

    def __init__(
        self, path: str | Path, migrations: Sequence[Migration], *, read_only: bool = False
    ) -> None:
        self.path = Path(path).resolve()
        self.read_only = read_only
        self._migrations = migrations
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._closed = False
        self._read_options = "mode=ro"
        self._writer: sqlite3.Connection | None = None
        with self._explained():
            if read_only:
                self._open_for_reading()
            else:
                self._writer = self._open_writer()

    @property
    def what(self) -> str:
        """The file as messages name it."""
        return f"routing log {str(self.path)!r}"

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Open a connection that can only read.

        It starts no transaction: `BEGIN` makes several statements see one state of the file.
        """
        self._check_usable()
        with self._explained(), closing(self._connect(self._read_options)) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Open a transaction; it is on the disk when the block has ended, or it never was."""
        with self._lock, self._explained():
            self._check_usable()
            if self._writer is None:
                raise StoreError(f"{self.what} was opened for reading only")
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            finally:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")

    def scrub(self) -> None:
        """Rewrite the file without what was deleted, and empty its write-ahead log.

        Needs free space of the file's size. Waits for whoever reads an older state.

        Raises:
            StoreError: If it cannot be written, or others read an older state for too long.
        """
        with self._lock, self._explained():
            self._check_usable()
            if self._writer is None:
                raise StoreError(f"{self.what} was opened for reading only")
            self._writer.execute("VACUUM")
            emptied = _empty_log(self._writer)
        if not emptied:
            raise StoreError(
                f"{self.what}: what was deleted is still in {self.path.name}-wal, as another "
                "process reads it: try again when it has ended"
            )

    def backup(self, path: str | Path) -> None:
        """Copy one state of the file to a new file of mode 600, while others go on writing.

        Raises:
            StoreError: If something is already there, or it cannot be written.
        """
        target = Path(path).absolute()
        if target.exists():
            raise StoreError(f"cannot back up to {str(target)!r}: it exists; choose another name")
        try:
            descriptor, name = tempfile.mkstemp(prefix=f"{target.name}.", dir=target.parent)
        except OSError as error:
            raise StoreError(f"cannot back up to {str(target)!r}: {error.strerror}") from error
        os.close(descriptor)
        try:
            with self.reading() as source, closing(sqlite3.connect(name)) as copy:
                source.backup(copy)
            Path(name).rename(target)
        finally:
            Path(name).unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        with self._lock:
            self._closed = True
            if self._writer is not None:
                self._writer.close()
                self._writer = None

    def _connect(self, options: str) -> sqlite3.Connection:
        with _OPENING, ExitStack() as on_failure:
            connection = sqlite3.connect(
                f"{self.path.as_uri()}?{options}",
                uri=True,
                timeout=_PATIENCE,
                isolation_level=None,
                check_same_thread=False,
            )
            on_failure.callback(connection.close)
            schema_version(connection)
            on_failure.pop_all()
        return connection

    def _check_usable(self) -> None:
        if self._closed:
            raise StoreError(f"{self.what} is closed")
        if os.getpid() != self._pid:
            raise StoreError(f"{self.what} was opened before a fork: open it in each process")

    def _check_before_opening(self) -> None:
        """Find out what the file is without writing anything, near it or into it."""
        if self.path.is_dir():
            raise StoreError(f"{self.what} is a folder: name a file in it")
        if not self.path.parent.is_dir():
            raise StoreError(f"{self.what} cannot be opened: create the folder first")
        if not self.read_only:
            _check_writable(self.what, self.path.parent, self.path)
        if not self.path.exists():
            if self.read_only:
                raise StoreError(f"{self.what} does not exist")
            return
        identity = self._identity()
        if identity.has_tables and identity.application != APPLICATION_ID:
            raise StoreError(f"{self.what} is a SQLite file of another application")
        check_version(identity.version, self._migrations, read_only=self.read_only, what=self.what)

    def _identity(self) -> "_Identity":
        """Ask SQLite only where its side files exist already, since it would leave some."""
        if not self._has_side_files():
            return self._header()
        with closing(self._connect("mode=ro")) as connection:
            pragmas = ("schema_version", "user_version", "application_id")
            return _Identity(
                *(int(connection.execute(f"PRAGMA {name}").fetchone()[0]) for name in pragmas)
            )

    def _has_side_files(self) -> bool:
        names = (self.path.name + end for end in ("-wal", "-shm"))
        return any(self.path.with_name(name).exists() for name in names)

    def _header(self) -> "_Identity":
        """Read the same from the header, as the SQLite file format lays it down."""
        with self.path.open("rb") as file:
            header = file.read(100)
        if header and (len(header) < 100 or not header.startswith(_MAGIC)):
            raise StoreError(f"{self.what} is not a SQLite file")
        return _Identity(*(int.from_bytes(header[at : at + 4]) for at in (40, 60, 68)))

    def _open_for_reading(self) -> None:
        """Settle how to read: in a folder that cannot be written, SQLite needs to be told."""
        with _OPENING:
            self._check_before_opening()
            try:
                self._connect(self._read_options).close()
            except sqlite3.OperationalError as error:
                forbidden = _code(error) in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)
                if not forbidden or self._has_side_files():
                    raise
                self._read_options = "immutable=1"

    def _open_writer(self) -> sqlite3.Connection:
        with ExitStack() as on_failure:
            with _OPENING:
                self._check_before_opening()
                with suppress(FileExistsError):
                    _create(self.path)
                connection = self._connect("mode=rw")
                on_failure.callback(connection.close)
                if _enter_wal(connection) != "wal":
                    raise StoreError(f"{self.what} needs a local disk: here is no shared memory")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA cache_size = -32768")
            migrate(connection, self._migrations, what=self.what)
            on_failure.pop_all()
        return connection

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what SQLite says into words that help."""
        try:
            yield
        except sqlite3.Error as error:
            explanation = _EXPLANATIONS.get(_code(error), str(error))
            raise StoreError(f"{self.what}: {explanation}") from error
        except OSError as error:
            raise StoreError(f"{self.what}: {error.strerror or error}") from error


class _Identity(NamedTuple):
    """What a SQLite file says about itself."""

    has_tables: int
    version: int
    application: int


def _code(error: sqlite3.Error) -> int:
    """The primary result code; 0 where the error does not come from SQLite itself."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _check_writable(what: str, *paths: Path) -> None:
    for path in paths:
        effective = os.access in os.supports_effective_ids
        if path.exists() and not os.access(path, os.W_OK, effective_ids=effective):
            raise StoreError(f"{what}: {str(path)!r} may not be written: check its permissions")


def _create(path: Path) -> None:
    """Create an empty file of mode 600; SQLite gives its side files the same mode."""
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def _enter_wal(connection: sqlite3.Connection) -> str:
    """Switch to write-ahead mode; SQLite itself does not wait here when others do the same."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            return str(connection.execute("PRAGMA journal_mode = WAL").fetchone()[0])
        except sqlite3.OperationalError as error:
            if _code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
        time.sleep(0.01)


def _empty_log(connection: sqlite3.Connection) -> bool:
    """Move the write-ahead log into the file and empty it; others may be in the way for a while."""
    end = time.monotonic() + _PATIENCE_WITH_READERS
    while True:
        busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if not busy:
            return True
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
