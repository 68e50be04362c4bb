"""Vectors of texts in one SQLite file, for a `CachedEncoder` that outlives the process."""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fusion_agents.errors import StoreError

_SCHEMA = "CREATE TABLE IF NOT EXISTS vector (key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID"
_CHUNK = 500


@dataclass(kw_only=True)
class VectorFile:
    """Keeps vectors in a file that several processes and threads may share.

    The file is readable by its owner only. It holds hashes and vectors, no text. Losing it costs
    encoding the texts again, and nothing else.

    Args:
        path: The file; made when the first vector is kept.
    """

    path: str | Path

    def read(self, keys: Sequence[bytes]) -> dict[bytes, NDArray[np.float32]]:
        """Find those of the keys that are kept.

        Raises:
            StoreError: If the file cannot be read or is no such cache.
        """
        if not keys or not Path(self.path).exists():
            return {}
        rows: list[tuple[bytes, bytes]] = []
        for start in range(0, len(keys), _CHUNK):
            chunk = keys[start : start + _CHUNK]
            marks = ",".join("?" * len(chunk))
            rows += self._run(f"SELECT key, value FROM vector WHERE key IN ({marks})", chunk)
        return {key: np.frombuffer(value, dtype="<f4") for key, value in rows}

    def write(self, vectors: Mapping[bytes, NDArray[np.float32]]) -> None:
        """Keep vectors; all of them or, if the process dies, none.

        Raises:
            StoreError: If the file cannot be written or is no such cache.
        """
        rows = [(key, vector.astype("<f4").tobytes()) for key, vector in vectors.items()]
        try:
            Path(self.path).touch(mode=0o600)
        except OSError as error:
            raise self._unusable(error) from error
        self._run("INSERT OR REPLACE INTO vector VALUES (?, ?)", many=rows)

    def _run(
        self, sql: str, values: Sequence[bytes] = (), many: Iterable[tuple[bytes, bytes]] = ()
    ) -> list[tuple[bytes, bytes]]:
        try:
            with closing(sqlite3.connect(self.path, timeout=30)) as connection, connection:
                connection.execute(_SCHEMA)
                if many:
                    connection.executemany(sql, many)
                    return []
                return connection.execute(sql, values).fetchall()
        except (sqlite3.Error, OSError) as error:
            raise self._unusable(error) from error

    def _unusable(self, error: Exception) -> StoreError:
        return StoreError(
            f"the vector cache {str(self.path)!r} cannot be used: {error}; it holds nothing but "
            "vectors that can be computed again, so delete it or name another file"
        )
