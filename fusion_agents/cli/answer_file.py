"""The output of a batch: one row of JSON for each query, appended as answers come.

A row is on its way to the disk before the next one begins, so a killed run loses no answer that
it had; whoever goes on reads what is there first.
"""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from typing import Any

from fusion_agents.cli.console import check_outputs, output
from fusion_agents.errors import ConfigError

_START = b'{"line": '
_SYNC_SECONDS = 1.0
_BINARY: int = getattr(os, "O_BINARY", 0)


@dataclass
class Earlier:
    """What a file holds already."""

    done: dict[int, str] = field(default_factory=dict)
    """Queries not to be asked again: their ids by their line in the input."""
    failed: int = 0
    """How many of these are errors that are kept."""
    cost: float = 0.0
    """Dollars of the rows that stay, as far as is known."""
    dropped: int = 0
    """Errors that are to be tried again."""


def check_answer_file(path: Path) -> None:
    """Find out before the work whether answers can be appended to a file.

    Raises:
        ConfigError: If not.
    """
    if str(path) == "-" or (path.exists() and not path.is_file()):
        raise ConfigError("--output must be a file: what was answered is looked up in it later")
    if path.suffix.lower() == ".gz":
        raise ConfigError("--output is appended to, so it cannot be compressed")
    check_outputs(path)


def read_earlier(path: Path, *, keep_errors: bool = False) -> Earlier:
    """Read what an earlier run wrote, mend a last line that is torn, drop errors.

    Rows that cannot be read as queries are always dropped: to look at them again costs nothing.
    The caller holds the file's lock.

    Raises:
        ConfigError: If the file holds something else than the rows of a batch; it stays as it is.
    """
    earlier = Earlier()
    if not path.exists():
        return earlier
    end, line = 0, b"\n"
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            row = _row(line)
            if row is None and _is_torn(line):
                break
            if row is None:
                raise ConfigError(
                    f"{path}:{number} is no row of a batch: give another output, or put that "
                    "line in order"
                )
            end += len(line)
            _count(earlier, row, keep_errors)
    if end < path.stat().st_size:
        os.truncate(path, end)
    elif not line.endswith(b"\n"):
        with path.open("ab") as file:
            file.write(b"\n")
    if earlier.dropped:
        _drop_errors(path, keep_errors)
    return earlier


def _row(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    known = isinstance(row, dict) and type(row.get("line")) is int
    known = known and isinstance(row.get("cost"), int | float | None)
    return row if known and ("answer" in row or "error" in row) else None


def _is_torn(line: bytes) -> bool:
    """Whether it is the beginning of a row; a power cut may leave zeros behind it."""
    start = line.rstrip(b"\0")
    return not line.endswith(b"\n") and (start.startswith(_START) or _START.startswith(start))


def _stays(row: dict[str, Any], keep_errors: bool) -> bool:
    return "error" not in row or (keep_errors and "query_id" in row)


def _count(earlier: Earlier, row: dict[str, Any], keep_errors: bool) -> None:
    if not _stays(row, keep_errors):
        earlier.dropped += 1
        return
    earlier.done[row["line"]] = str(row.get("query_id"))
    earlier.failed += "error" in row
    earlier.cost += row.get("cost") or 0.0


def _drop_errors(path: Path, keep_errors: bool) -> None:
    with path.open("rb") as old, output(path) as new:
        for line in old:
            row = _row(line)
            if row is not None and _stays(row, keep_errors):
                new.write(line)


class AnswerWriter:
    """Appends rows to an open file.

    Args:
        file: Unbuffered, opened to append.
    """

    def __init__(self, file: FileIO) -> None:
        self._file = file
        self._synced = time.monotonic()

    def write(self, row: dict[str, Any]) -> None:
        """Hand a row to the operating system, and every second to the disk.

        Raises:
            OSError: If it cannot be written.
        """
        line = json.dumps(row).encode() + b"\n"
        left = memoryview(line)
        try:
            while left:
                left = left[self._file.write(left) :]
        except OSError:
            self._take_back(len(line) - len(left))
            raise
        if time.monotonic() - self._synced > _SYNC_SECONDS:
            self.sync()

    def _take_back(self, count: int) -> None:
        """Cut off the beginning of a row, so that none is written behind it."""
        with suppress(OSError):
            self._file.truncate(os.fstat(self._file.fileno()).st_size - count)

    def sync(self) -> None:
        """Wait until all rows are on the disk."""
        os.fsync(self._file.fileno())
        self._synced = time.monotonic()


@contextmanager
def appending(path: Path) -> Iterator[AnswerWriter]:
    """Open a file to append rows to; only the user may read it."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | _BINARY, 0o600)
    with os.fdopen(handle, "ab", buffering=0) as file:
        path.chmod(0o600)
        writer = AnswerWriter(file)
        yield writer
        writer.sync()
