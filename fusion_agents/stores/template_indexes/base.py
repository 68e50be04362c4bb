"""What an index of thought templates is: vectors by id, which can be thrown away at any time."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fusion_agents.errors import StoreError

Vectors = NDArray[np.float32]


class BrokenIndexError(StoreError):
    """An index cannot do what was asked, but could if it were filled again."""


class Mark(NamedTuple):
    """How far an index has followed the ledger."""

    generation: int
    """The last change that it took up completely."""
    size: int
    """Number of vectors that it holds now."""


class TemplateIndex(ABC):
    """Finds the nearest vectors of a collection; each tenant and encoder has one of its own.

    A store brings an index up to date by the generation in its mark, compares the number of
    vectors with the ledger, and fills it again from the ledger when anything is wrong with it. So
    an index never has to be right, only fast. What it finds is checked against the ledger, too.

    Methods raise `BrokenIndexError` when the index is damaged, and `StoreError` when it cannot be
    used at all. They may be called from several threads.
    """

    @abstractmethod
    def mark(self, collection: str) -> Mark | None:
        """How far a collection has come; none if it does not exist or was never sealed."""

    @abstractmethod
    def upsert(self, collection: str, ids: Sequence[str], vectors: Vectors) -> None:
        """Add unit vectors, shape (n_ids, n_dims), in place of those that have the same id."""

    @abstractmethod
    def delete(self, collection: str, ids: Sequence[str]) -> None:
        """Remove vectors; ids that are not there are passed over."""

    @abstractmethod
    def seal(self, collection: str, generation: int) -> None:
        """Note that every change up to a generation has been taken up."""

    @abstractmethod
    def query(self, collection: str, vector: Vectors, n: int) -> list[tuple[str, float]]:
        """The ids and cosine similarities of at most `n` nearest vectors, nearest first."""

    @abstractmethod
    def drop(self, collection: str | None = None) -> None:
        """Forget a collection; without a name, all of them, whatever state they are in."""

    @abstractmethod
    def sweep(self, prefix: str, kept: str) -> None:
        """Forget collections whose name begins with `prefix`, but not with `kept`."""

    @abstractmethod
    def close(self) -> None:
        """Let go of files and connections; a second call does nothing."""


def stale(names: Sequence[str], prefix: str, kept: str) -> list[str]:
    """Names that begin with `prefix`, but not with `kept`."""
    return [name for name in names if name.startswith(prefix) and not name.startswith(kept)]
