"""Any vector store of LangChain as the index of the thought templates."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore

from fusion_agents.errors import StoreError
from fusion_agents.stores.template_indexes.base import (
    BrokenIndexError,
    Mark,
    TemplateIndex,
    Vectors,
    stale,
)

T = TypeVar("T")


class GivenVectors(Embeddings):
    """Embeddings that were computed elsewhere: a text is an id, and its vector is looked up."""

    def __init__(self) -> None:
        self.vectors: dict[str, list[float]] = {}

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """The vectors that were laid ready."""
        return [self.vectors[text] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        """The vector that was laid ready."""
        return self.vectors[text]


@dataclass
class _Collection:
    given: GivenVectors
    store: VectorStore
    ids: set[str] = field(default_factory=set)
    generation: int | None = None


class VectorStoreIndex(TemplateIndex):
    """Keeps the vectors in stores that you make, one for each tenant and encoder.

    A document is an id and nothing else. How far a store has come is known to this process only:
    each process gives it all vectors when it first searches, under the same ids. The store must
    be able to search by vector and to delete by id.

    Args:
        make: Gets the name of a collection and the embeddings to use; gives a vector store.
    """

    def __init__(self, make: Callable[[str, Embeddings], VectorStore]) -> None:
        self._make = make
        self._lock = threading.RLock()
        self._collections: dict[str, _Collection] = {}

    def mark(self, collection: str) -> Mark | None:
        """How far this process has brought a collection."""
        with self._lock:
            kept = self._collections.get(collection)
            if kept is None or kept.generation is None:
                return None
            return Mark(kept.generation, len(kept.ids))

    def upsert(self, collection: str, ids: Sequence[str], vectors: Vectors) -> None:
        """Add documents with these vectors."""
        with self._lock:
            kept = self._collection(collection)
            kept.given.vectors = dict(zip(ids, vectors.tolist(), strict=True))
            self._attempt(lambda: kept.store.add_texts(list(ids), ids=list(ids)))
            kept.given.vectors = {}
            kept.ids.update(ids)

    def delete(self, collection: str, ids: Sequence[str]) -> None:
        """Delete documents."""
        with self._lock:
            kept = self._collection(collection)
            if there := sorted(kept.ids.intersection(ids)):
                self._attempt(lambda: kept.store.delete(there))
                kept.ids.difference_update(there)

    def seal(self, collection: str, generation: int) -> None:
        """Note that every change up to a generation has been taken up."""
        with self._lock:
            self._collection(collection).generation = generation

    def query(self, collection: str, vector: Vectors, n: int) -> list[tuple[str, float]]:
        """The nearest documents; stores tell no similarity for a vector, so it is always 1."""
        with self._lock:
            kept = self._collection(collection)
            search = kept.store.similarity_search_by_vector
            given = np.asarray(vector, dtype=float).tolist()
            found = self._attempt(lambda: search(given, k=n))
        return [(document.page_content, 1.0) for document in found]

    def drop(self, collection: str | None = None) -> None:
        """Delete what this process has put into a store, or into all of them."""
        with self._lock:
            for name in list(self._collections) if collection is None else [collection]:
                if kept := self._collections.pop(name, None):
                    self._attempt(lambda kept=kept: kept.store.delete(sorted(kept.ids)))  # type: ignore[misc]

    def sweep(self, prefix: str, kept: str) -> None:
        """Forget outdated collections, as far as this process has made them."""
        for name in stale(list(self._collections), prefix, kept):
            self.drop(name)

    def close(self) -> None:
        """Forget the stores; they are yours to close."""
        with self._lock:
            self._collections.clear()

    def _collection(self, name: str) -> _Collection:
        if name not in self._collections:
            given = GivenVectors()
            self._collections[name] = _Collection(given, self._make(name, given))
        return self._collections[name]

    def _attempt(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except NotImplementedError as error:
            raise StoreError("the vector store cannot search by vector, or delete by id") from error
        except Exception as error:  # whoever made the store raises what they like
            raise BrokenIndexError(f"the vector store failed: {error}") from error
