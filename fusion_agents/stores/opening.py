"""Opening a log, whether it is a database or a file that somebody else's tool wrote."""

import shutil
import sqlite3
import tempfile
import weakref
from collections.abc import Callable, Collection
from contextlib import closing, suppress
from pathlib import Path

from fusion_agents.errors import DataError
from fusion_agents.stores.importing import FileSummary, ImportSummary, import_files
from fusion_agents.stores.routing_log import RoutingLog

_SQLITE = b"SQLite format 3\x00"


class ImportedLog(RoutingLog):
    """A log in a temporary database, filled from files; the database goes when the log is closed.

    Args:
        paths: The files, as `import_files` takes them.
        exclude_tasks: Tasks to leave out.
        on_progress: Called with what came of the current file so far.

    Attributes:
        imported: What came of the import.
    """

    imported: ImportSummary

    def __init__(
        self,
        paths: Collection[str | Path],
        *,
        exclude_tasks: Collection[str] = (),
        on_progress: Callable[[FileSummary], None] | None = None,
    ) -> None:
        folder = tempfile.mkdtemp(prefix="fusion-agents-")
        self._remove = weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        super().__init__(Path(folder) / "log.db")
        try:
            self.imported = import_files(
                paths, self, exclude_tasks=exclude_tasks, on_progress=on_progress
            )
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the log and remove its database; a second call does nothing."""
        super().close()
        self._remove()


class _QuietLog(RoutingLog):
    """A database to read from that leaves behind what it found.

    Whoever reads a database in write-ahead mode makes its companions (`-wal`, `-shm`), but only a
    connection that may write removes them, if it is the last one to leave.
    """

    def __init__(self, path: Path) -> None:
        self._had_companions = _has_companions(path.resolve())
        super().__init__(path, read_only=True)

    def close(self) -> None:
        """Close the log; a second call does nothing."""
        super().close()
        if not self._had_companions and _has_companions(self.path):
            self._had_companions = True
            with (
                suppress(sqlite3.Error),
                closing(sqlite3.connect(f"{self.path.as_uri()}?mode=rw", uri=True)) as connection,
            ):
                connection.execute("PRAGMA schema_version").fetchone()


def _has_companions(path: Path) -> bool:
    return any(path.with_name(f"{path.name}{end}").exists() for end in ("-wal", "-shm"))


def open_log(
    path: str | Path,
    *more: str | Path,
    read_only: bool = False,
    exclude_tasks: Collection[str] = (),
    on_progress: Callable[[FileSummary], None] | None = None,
) -> RoutingLog:
    """Open a database, or log files of any known format as if they were one.

    Args:
        path: An SQLite file, by its first bytes; or a log file or a folder of them, which is
            imported into a temporary database that vanishes with the log.
        more: Further log files.
        read_only: Refuse to change a database, or to migrate it, and leave nothing beside it.
        exclude_tasks: Tasks to leave out when files are imported.
        on_progress: Called with what came of the current file so far.

    Returns:
        For files an `ImportedLog`, whose `imported` sums up the import.

    Raises:
        DataError: If there is no such file, or it cannot be read as a log.
        StoreError: If a database cannot be opened.
    """
    paths = (Path(path), *map(Path, more))
    missing = [str(one) for one in paths if not one.exists()]
    if missing:
        raise DataError(f"there is no log at {', '.join(map(repr, missing))}")
    databases = [one for one in paths if is_database(one)]
    if not databases:
        return ImportedLog(paths, exclude_tasks=exclude_tasks, on_progress=on_progress)
    if len(paths) > 1:
        raise DataError(f"{databases[0]} is a database and cannot be combined with other logs")
    return _QuietLog(paths[0]) if read_only else RoutingLog(paths[0])


def is_database(path: Path) -> bool:
    """Whether a path is an SQLite file, by its first bytes.

    Raises:
        DataError: If it cannot be read.
    """
    if path.is_dir():
        return False
    try:
        with path.open("rb") as file:
            return file.read(len(_SQLITE)) == _SQLITE
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
