"""Rows out of containers: CSV, JSON lines, one JSON document, parquet; streamed, never all at once.

What cannot be read is a `RowError` with the row's number, counted from 1 and with a CSV header as
row 1; reading goes on behind it wherever the container allows that.
"""

import csv
import io
import json
import re
from collections.abc import Callable, Collection, Iterator
from itertools import count
from typing import BinaryIO, NamedTuple

from fusion_agents.errors import DataError, RowError
from fusion_agents.stores.formats.head import MAX_ROW, Head, opened

_CHUNK = 2**18
_BATCH = 512
_SPACE = re.compile(r"[\s,]*")


class Row(NamedTuple):
    """One row by its column names."""

    number: int
    values: dict[str, object]


Rows = Iterator[Row | RowError]


def rows(head: Head, only: Collection[str] | None = None) -> Rows:
    """Stream the rows of a file.

    Args:
        head: The file.
        only: Columns to read, where the container can leave out others cheaply.

    Raises:
        DataError: If the compression or the container itself is damaged.
    """
    if head.container == "parquet":
        yield from _parquet_rows(head, only)
        return
    readers: dict[str, Callable[[BinaryIO, str], Rows]] = {
        "csv": _csv_rows,
        "jsonl": _json_lines,
        "json": _json_items,
        "text": _text_lines,
    }
    with opened(head.path) as stream:
        yield from readers[head.container](stream, str(head.path))


def _csv_rows(stream: BinaryIO, file: str) -> Rows:
    csv.field_size_limit(max(csv.field_size_limit(), MAX_ROW))
    with io.TextIOWrapper(stream, "utf-8-sig", errors="surrogateescape", newline="") as text:
        reader = csv.reader(text)
        header = next(reader)
        for number in count(2):
            try:
                values = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield RowError(file, number, f"not readable as CSV: {error}")
                continue
            if len(values) == len(header):
                yield Row(number, dict(zip(header, values, strict=True)))
            elif values:
                yield RowError(file, number, f"{len(values)} values under {len(header)} columns")


def _lines(stream: BinaryIO, file: str) -> Iterator[tuple[int, str] | RowError]:
    number = 0
    while line := stream.readline(MAX_ROW):
        number += 1
        if len(line) == MAX_ROW and not line.endswith(b"\n"):
            while (rest := stream.readline(MAX_ROW)) and not rest.endswith(b"\n"):
                pass
            yield RowError(file, number, f"longer than {MAX_ROW // 2**20} MiB")
            continue
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
        except UnicodeDecodeError as error:
            yield RowError(file, number, f"not UTF-8: {error.reason} at byte {error.start + 1}")
            continue
        if text:
            yield number, text


def _json_lines(stream: BinaryIO, file: str) -> Rows:
    for line in _lines(stream, file):
        if isinstance(line, RowError):
            yield line
            continue
        number, text = line
        try:
            yield _row(file, number, json.loads(text))
        except (ValueError, RecursionError) as error:
            yield RowError(file, number, f"not readable as JSON: {error}")


def _text_lines(stream: BinaryIO, file: str) -> Rows:
    for line in _lines(stream, file):
        yield line if isinstance(line, RowError) else Row(line[0], {"text": line[1]})


def _row(file: str, number: int, value: object) -> Row | RowError:
    if isinstance(value, dict):
        return Row(number, value)
    return RowError(file, number, f"a JSON {type(value).__name__}, not an object")


def _json_items(stream: BinaryIO, file: str) -> Rows:
    """Stream the objects of a list, or of the list called `records` in an object."""
    with io.TextIOWrapper(stream, "utf-8-sig", errors="surrogateescape") as text:
        buffer = _Buffer(text)
        number = 1
        try:
            if not buffer.enter_list():
                yield RowError(file, 1, "the JSON document has no list of records")
                return
            while not buffer.at_end_of_list():
                yield _row(file, number, buffer.take())
                number += 1
        except (ValueError, RecursionError) as error:
            reason = f"not readable as JSON: {error}; nothing behind it can be read"
            yield RowError(file, number, reason)


def outer_fields(head: Head, names: Collection[str]) -> dict[str, object]:
    """Look up fields of the object around a list of records, as far as they can be read."""
    found: dict[str, object] = {}
    with (
        opened(head.path) as stream,
        io.TextIOWrapper(stream, "utf-8-sig", errors="surrogateescape") as text,
    ):
        try:
            for name, value in _Buffer(text).outer_fields():
                found |= {name: value} if name in names else {}
                if len(found) == len(names):
                    break
        except (ValueError, RecursionError):
            return found
    return found


class _Buffer:
    """Takes one JSON value after the other from a stream, holding little more than one."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self._held = ""
        self._at = 0
        self._decoder = json.JSONDecoder()

    def enter_list(self) -> bool:
        """Go behind the bracket that opens the list."""
        if self._peek() == "[":
            self._at += 1
            return True
        if self._peek() != "{":
            return False
        self._at += 1
        while self._peek() == '"':
            name = self.take()
            if self._peek() != ":":
                return False
            self._at += 1
            if name == "records" and self._peek() == "[":
                self._at += 1
                return True
            self.take()
        return False

    def outer_fields(self) -> Iterator[tuple[str, object]]:
        """Decode the fields of an object one by one; lists of records are passed over."""
        if self._peek() != "{":
            return
        self._at += 1
        while self._peek() == '"':
            name = str(self.take())
            if self._peek() != ":":
                return
            self._at += 1
            if self._peek() != "[":
                yield name, self.take()
                continue
            self._at += 1
            while not self.at_end_of_list():
                self.take()
            self._at += 1

    def at_end_of_list(self) -> bool:
        """Whether the bracket that closes the list comes next."""
        following = self._peek()
        if not following:
            raise ValueError("the document ends in the middle of its list")
        return following == "]"

    def take(self) -> object:
        """Decode the next value."""
        self._peek()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._held, self._at)
            except json.JSONDecodeError:
                if not self._fill(max(_CHUNK, len(self._held))):
                    raise
                continue
            if end == len(self._held) and self._fill(_CHUNK):
                continue  # a number may go on in the next chunk
            self._at = end
            return value

    def _peek(self) -> str:
        """The next character that is neither space nor comma; empty at the end."""
        while True:
            match = _SPACE.match(self._held, self._at)
            self._at = match.end() if match else self._at
            if self._at < len(self._held):
                return self._held[self._at]
            if not self._fill(_CHUNK):
                return ""

    def _fill(self, n_characters: int) -> bool:
        self._held = self._held[self._at :]
        self._at = 0
        if len(self._held) > MAX_ROW:
            raise ValueError(f"a value longer than {MAX_ROW // 2**20} MiB, or a broken one")
        more = self._text.read(n_characters)
        self._held += more
        return bool(more)


def _parquet_rows(head: Head, only: Collection[str] | None) -> Rows:
    import pyarrow as pa  # noqa: PLC0415 - heavy, and most logs are text
    import pyarrow.parquet as pq  # noqa: PLC0415

    columns = [name for name in head.columns if only is None or name in only]
    numbers = count(1)
    try:
        with pq.ParquetFile(head.path, pre_buffer=False, buffer_size=2**20) as file:
            for batch in file.iter_batches(_BATCH, columns=columns, use_threads=False):
                lists = [column.to_pylist() for column in batch.columns]
                for values in zip(*lists, strict=True):
                    yield Row(next(numbers), dict(zip(columns, values, strict=True)))
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{head.path}: the parquet file is damaged: {error}") from error
