"""Chroma as the index of the thought templates: in a folder of one process, or on a server."""

import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from fusion_agents.errors import StoreError
from fusion_agents.stores.template_indexes.base import (
    BrokenIndexError,
    Mark,
    TemplateIndex,
    Vectors,
    stale,
)
from fusion_agents.stores.template_indexes.chroma_collections import ChromaCollections
from fusion_agents.stores.template_indexes.chroma_embedded import EmbeddedChroma
from fusion_agents.stores.template_indexes.chroma_server import ServedChroma


class _Place(Protocol):
    """Where Chroma is."""

    what: str

    def collections(self) -> ChromaCollections:
        """Open it, if that has not happened yet."""

    def is_there(self) -> bool:
        """Whether it can be reached, so that what failed may work when it is filled again."""

    def discard(self, names: Sequence[str] | None) -> None:
        """Delete at least these collections, so that nothing is left of them; none for all."""

    def close(self) -> None:
        """Let go of it."""


class ChromaIndex(TemplateIndex):
    """Keeps the vectors in Chroma.

    **In a folder**, which one process at a time may open. Not even what a kill, a full disk or a
    damaged file does to Chroma loses a template: what was not closed properly, or has changed
    since, is removed and filled again from the ledger. Close it at the end, or else filling takes
    seconds for each ten thousand templates next time.

    **On a server**, which several processes may share. Chroma's server asks nobody for a password:
    let it be reached from where you trust only.

    Args:
        place: A folder, which is made if it is missing, but in a folder that exists; or an address
            such as `http://localhost:8000`.
        headers: Sent to a server with each request.

    Raises:
        ConfigError: If the address is none.
        StoreError: If another process has opened the folder, which is named; or it is a folder of
            something else, which is left alone.
    """

    def __init__(self, place: str | Path, *, headers: Mapping[str, str] | None = None) -> None:
        self._lock = threading.RLock()
        self._place: _Place
        if str(place).startswith(("http://", "https://")):
            self._place = ServedChroma(str(place), headers or {})
        else:
            self._place = EmbeddedChroma(Path(place))
        self._finish = weakref.finalize(self, self._place.close)

    def mark(self, collection: str) -> Mark | None:
        """How far a collection has come."""
        with self._using() as chroma:
            return chroma.mark(collection)

    def upsert(self, collection: str, ids: Sequence[str], vectors: Vectors) -> None:
        """Add vectors, in place of those that have the same id."""
        with self._using() as chroma:
            chroma.upsert(collection, ids, vectors)

    def delete(self, collection: str, ids: Sequence[str]) -> None:
        """Remove vectors."""
        with self._using() as chroma:
            chroma.delete(collection, ids)

    def seal(self, collection: str, generation: int) -> None:
        """Note that every change up to a generation has been taken up."""
        with self._using() as chroma:
            chroma.seal(collection, generation)

    def query(self, collection: str, vector: Vectors, n: int) -> list[tuple[str, float]]:
        """The nearest vectors, as far as the graph of neighbours leads to them."""
        with self._using() as chroma:
            return chroma.query(collection, vector, n)

    def drop(self, collection: str | None = None) -> None:
        """Forget a collection; or all, whatever state they are in."""
        if collection is None:
            with self._lock:
                self._place.discard(None)
        else:
            with self._using() as chroma:
                chroma.drop(collection)

    def sweep(self, prefix: str, kept: str) -> None:
        """Forget outdated collections; in a folder all of them, so that no file holds them."""
        with self._using() as chroma:
            if outdated := stale(chroma.names, prefix, kept):
                self._place.discard(outdated)

    def close(self) -> None:
        """Close the folder properly, or the connection; a second call does nothing."""
        with self._lock:
            self._finish()

    @contextmanager
    def _using(self) -> Iterator[ChromaCollections]:
        """Turn whatever Chroma raises into an error that says whether filling it again may help.

        Its errors are its own, those of SQLite, of Rust and of HTTP, without a common base; a
        panic in Rust is not even an `Exception`.
        """
        with self._lock:
            try:
                yield self._place.collections()
            except StoreError:
                raise
            except BaseException as error:
                if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
                    raise
                if self._place.is_there():
                    raise BrokenIndexError(f"{self._place.what} is broken: {error}") from error
                raise StoreError(f"{self._place.what} cannot be reached: {error}") from error
