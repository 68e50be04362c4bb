"""Writing a file at once: a reader sees the old file or the whole new one, never a part."""

import csv
import gzip
import io
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, cast

from fusion_agents.errors import StoreError

_BATCH = 1000


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a new file that takes the place of `path` when the block ends without an error.

    Only the user may read it; it is on the disk before it takes the place. A name that ends in
    `.gz` is compressed, the same content giving the same bytes.

    Raises:
        StoreError: If the folder is missing or cannot be written.
    """
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error.strerror}") from error
    try:
        with os.fdopen(handle, "wb") as raw:
            if path.suffix == ".gz":
                with gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed:
                    yield cast(BinaryIO, packed)
            else:
                yield raw
            raw.flush()
            os.fsync(raw.fileno())
        Path(name).replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        Path(name).unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Have the names of a folder's files on the disk, where the system knows how."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_csv(path: Path, columns: Sequence[str], table: Iterable[Mapping[str, Any]]) -> int:
    """Write rows under a header; null is an empty cell. Returns the number of rows."""
    n_rows = 0
    with replacing(path) as stream:
        text = io.TextIOWrapper(stream, "utf-8", newline="")
        writer = csv.DictWriter(text, columns)
        writer.writeheader()
        for row in table:
            writer.writerow(row)
            n_rows += 1
        text.flush()
        text.detach()
    return n_rows


def write_parquet(path: Path, types: Mapping[str, str], table: Iterable[Mapping[str, Any]]) -> int:
    """Write rows with these Arrow types by column. Returns the number of rows."""
    import pyarrow as pa  # noqa: PLC0415 - heavy, and most logs are text
    import pyarrow.parquet as pq  # noqa: PLC0415

    schema = pa.schema([(name, pa.type_for_alias(alias)) for name, alias in types.items()])
    rows = iter(table)
    n_rows = 0
    with replacing(path) as stream, pq.ParquetWriter(stream, schema, compression="zstd") as writer:
        while batch := list(islice(rows, _BATCH)):
            writer.write_table(pa.Table.from_pylist(batch, schema=schema))
            n_rows += len(batch)
    return n_rows
