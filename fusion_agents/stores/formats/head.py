"""What a file looks like from outside: its container, its columns and its first row."""

import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Literal, cast

from fusion_agents.errors import DataError, UnknownFormatError

Container = Literal["csv", "jsonl", "json", "parquet", "text"]

MAX_ROW = 64 * 2**20
"""Bytes that one row may take; a longer one is refused instead of filling the memory."""

_SNIFFED = 2**20
_PICKLED = re.compile(rb"\x80[\x02-\x05]")
_SPLIT = re.compile(r"(?<![a-z])(partial_test|full_test|train|validation|test)(?![a-z])")
_RECORDS = re.compile(r'"records"\s*:\s*\[')
_FOREIGN = {
    b"SQLite format 3\x00": "an SQLite database; open it with RoutingLog",
    b"PK\x03\x04": "a zip archive; unpack it first",
    b"(\xb5/\xfd": "compressed with zstd; unpack it first",
    b"BZh": "compressed with bzip2; unpack it first",
    b"\xfd7zXZ\x00": "compressed with xz; unpack it first",
}


@dataclass(frozen=True)
class Head:
    """What a format needs to see in order to recognise a file."""

    path: Path
    container: Container
    columns: tuple[str, ...] = ()
    """CSV header, parquet schema, keys of the first JSON objects, or of the JSON document."""
    first: Mapping[str, object] = field(default_factory=dict)
    """The first readable row; empty for parquet and for files without rows."""

    def has(self, *names: str) -> bool:
        """Whether all of these columns are there."""
        return set(names) <= set(self.columns)

    @property
    def split(self) -> str | None:
        """The split that the file's name names (`train`, `partial_test`, ...).

        For shards that are called `data-...` or `data.csv`, as Hugging Face writes them, the
        folder's name counts.
        """
        name = self.path.parent.name if self.path.name.startswith("data") else self.path.name
        found = _SPLIT.search(name.lower())
        return found.group(1) if found else None


def look(path: Path) -> Head:
    """Find out what kind of file this is, by its content.

    Raises:
        DataError: If there is no such file, or its compression is damaged.
        UnknownFormatError: If it is empty, a pickle, or binary of an unknown kind.
    """
    start = _start_of(path)
    _refuse_foreign(path, start)
    if start.startswith(b"PAR1"):
        return Head(path, "parquet", _parquet_columns(path))
    text = start.decode("utf-8-sig", errors="replace")
    if not text.strip():
        raise UnknownFormatError(f"{path}: the file is empty")
    if _is_binary(text):
        raise UnknownFormatError(f"{path}: binary data that no format recognises")
    return _text_head(path, text)


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open a file for reading, decompressed if it is gzip by its magic bytes.

    Raises:
        DataError: If there is no such file, or its compression is damaged; also while reading.
    """
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            if packed:
                with gzip.GzipFile(fileobj=raw) as unpacked:
                    yield cast(BinaryIO, io.BufferedReader(unpacked, 2**18))
            else:
                yield raw
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(
            f"{path}: the gzip stream is damaged or cut off ({error}); rows before that place "
            "may have been read: fetch the file again and read it again"
        ) from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error


def _start_of(path: Path) -> bytes:
    if path.is_dir():
        raise DataError(f"{path}: is a folder, not a file")
    with opened(path) as stream:
        start = stream.read(_SNIFFED)
        if b"\n" not in start:
            start += stream.readline(MAX_ROW)
        return start


def _refuse_foreign(path: Path, start: bytes) -> None:
    if _PICKLED.match(start) or path.suffix in {".pkl", ".pickle"}:
        raise UnknownFormatError(
            f"{path}: is a pickle, which can run code when it is loaded, so it is never loaded; "
            "convert it where you trust it: "
            "python -c \"import pandas; pandas.read_pickle('in.pkl').to_parquet('out.parquet')\""
        )
    for magic, what in _FOREIGN.items():
        if start.startswith(magic):
            raise UnknownFormatError(f"{path}: is {what}")


def _is_binary(text: str) -> bool:
    """Whether the first line is no text; a column of text further on may hold anything."""
    line = text.lstrip().partition("\n")[0][:4096]
    return "\x00" in line or 10 * line.count("�") > len(line)


def _text_head(path: Path, text: str) -> Head:
    lines = [line for line in text.split("\n", 50)[:50] if line.strip()]
    found = [row for line in lines if (row := _object(line))]
    opening = text.lstrip()[:1]
    mostly = 2 * len(found) > len(lines)
    if found and isinstance(found[0].get("records"), list):
        return Head(path, "json", tuple(found[0]))
    if found and (mostly or (opening == "{" and not _RECORDS.search(text[:8192]))):
        columns = dict.fromkeys(name for row in found for name in row)
        return Head(path, "jsonl", tuple(columns), found[0])
    if opening == "[":
        item = _first_value(text.lstrip()[1:])
        return Head(path, "json", tuple(item), item)
    if opening == "{":
        keys = tuple(re.findall(r'"(\w+)"\s*:', text[:8192]))
        return Head(path, "json" if _RECORDS.search(text[:8192]) else "jsonl", keys)
    header = _csv_header(text)
    return Head(path, "csv", header) if len(header) > 1 else Head(path, "text", header)


def _csv_header(text: str) -> tuple[str, ...]:
    try:
        return tuple(next(csv.reader(io.StringIO(text, newline="")), ()))
    except csv.Error:
        return ()


def _object(line: str) -> dict[str, object] | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _first_value(text: str) -> dict[str, object]:
    try:
        value, _ = json.JSONDecoder().raw_decode(text.lstrip())
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _parquet_columns(path: Path) -> tuple[str, ...]:
    import pyarrow as pa  # noqa: PLC0415 - heavy, and most logs are text
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        return tuple(pq.read_schema(path).names)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: the parquet file is damaged: {error}") from error
