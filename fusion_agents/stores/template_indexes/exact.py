"""Compares with every vector, in memory: exact, and fast enough for a hundred thousand."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from fusion_agents.stores.template_indexes.base import Mark, TemplateIndex, Vectors, stale

_ROOM = 1.5
"""How much larger than needed a matrix is made, so that it need not grow at each addition."""


@dataclass
class _Collection:
    """Vectors in the first rows of a matrix that has room for more."""

    ids: list[str] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)
    matrix: Vectors = field(default_factory=lambda: np.zeros((0, 0), dtype=np.float32))
    generation: int | None = None


class ExactIndex(TemplateIndex):
    """Keeps the vectors of the ledger in memory; each process has its own.

    It reads them at the first search and follows the changes that others make. One search takes
    about a tenth of a millisecond for each thousand templates; memory is that of the vectors.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._collections: dict[str, _Collection] = {}

    def mark(self, collection: str) -> Mark | None:
        """How far a collection has come."""
        with self._lock:
            found = self._collections.get(collection)
            if found is None or found.generation is None:
                return None
            return Mark(found.generation, len(found.ids))

    def upsert(self, collection: str, ids: Sequence[str], vectors: Vectors) -> None:
        """Add vectors, in place of those that have the same id."""
        with self._lock:
            kept = self._collections.setdefault(collection, _Collection())
            new = list(dict.fromkeys(one for one in ids if one not in kept.rows))
            _grow(kept, len(kept.ids) + len(new), vectors.shape[1])
            kept.rows.update((one, row) for row, one in enumerate(new, len(kept.ids)))
            kept.ids += new
            kept.matrix[[kept.rows[one] for one in ids]] = vectors

    def delete(self, collection: str, ids: Sequence[str]) -> None:
        """Remove vectors; the last ones take their rows."""
        with self._lock:
            kept = self._collections.setdefault(collection, _Collection())
            for one in ids:
                if (row := kept.rows.pop(one, None)) is None:
                    continue
                last = kept.ids.pop()
                if last != one:
                    kept.matrix[row] = kept.matrix[len(kept.ids)]
                    kept.ids[row], kept.rows[last] = last, row

    def seal(self, collection: str, generation: int) -> None:
        """Note that every change up to a generation has been taken up."""
        with self._lock:
            self._collections.setdefault(collection, _Collection()).generation = generation

    def query(self, collection: str, vector: Vectors, n: int) -> list[tuple[str, float]]:
        """The ids of the nearest vectors; which of equally near ones come is not laid down."""
        with self._lock:
            kept = self._collections.get(collection)
            if kept is None or not kept.ids:
                return []
            similarities = kept.matrix[: len(kept.ids)] @ vector
            best = _largest(similarities, n)
            return [(kept.ids[i], float(similarities[i])) for i in best]

    def drop(self, collection: str | None = None) -> None:
        """Forget a collection, or all."""
        with self._lock:
            for name in list(self._collections) if collection is None else [collection]:
                self._collections.pop(name, None)

    def sweep(self, prefix: str, kept: str) -> None:
        """Forget outdated collections."""
        for name in stale(list(self._collections), prefix, kept):
            self.drop(name)

    def close(self) -> None:
        """Free the memory."""
        self.drop()


def _grow(kept: _Collection, needed: int, n_dims: int) -> None:
    if needed <= len(kept.matrix) and kept.matrix.shape[1] == n_dims:
        return
    larger = np.empty((int(needed * _ROOM), n_dims), dtype=np.float32)
    if kept.ids:
        larger[: len(kept.ids)] = kept.matrix[: len(kept.ids)]
    kept.matrix = larger


def _largest(values: Vectors, n: int) -> list[int]:
    leading = np.argpartition(-values, n)[:n] if n < len(values) else np.arange(len(values))
    best: list[int] = leading[np.argsort(-values[leading], kind="stable")].tolist()
    return best
