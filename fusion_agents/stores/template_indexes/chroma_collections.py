"""Collections of vectors in Chroma, in whatever way it is reached."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from fusion_agents.errors import StoreError
from fusion_agents.stores.template_indexes.base import Mark, Vectors

if TYPE_CHECKING:
    from chromadb.api.client import Client
    from chromadb.api.collection_configuration import HNSWConfiguration
    from chromadb.api.models.Collection import Collection

_SPACE: "HNSWConfiguration" = {
    "space": "cosine",
    "max_neighbors": 32,
    "ef_construction": 160,
    "ef_search": 200,
    "sync_threshold": 2_000,  # it writes all of its files each time
}
"""Measured: the three nearest of 100,000 templates are found in more than 99 of 100 cases."""

_BATCH = 1_000
_GENERATION = "generation"


class ChromaCollections:
    """What an index does, without care for what may go wrong.

    Vectors are always given and no embedding function is ever named: Chroma would download one.
    """

    def __init__(self, client: "Client") -> None:
        self._client = client
        self._known: dict[str, Collection] = {}

    def mark(self, name: str) -> Mark | None:
        """How far a collection has come."""
        if not self._exists(name):
            return None
        collection = self._client.get_collection(name, embedding_function=None)
        self._known[name] = collection
        generation = (collection.metadata or {}).get(_GENERATION)
        return None if generation is None else Mark(int(generation), collection.count())

    def upsert(self, name: str, ids: Sequence[str], vectors: Vectors) -> None:
        """Add vectors, a thousand at a time."""
        collection = self._collection(name)
        for part in _parts(len(ids)):
            collection.upsert(ids=list(ids[part]), embeddings=vectors[part])

    def delete(self, name: str, ids: Sequence[str]) -> None:
        """Remove vectors."""
        collection = self._collection(name)
        for part in _parts(len(ids)):
            collection.delete(ids=list(ids[part]))

    def seal(self, name: str, generation: int) -> None:
        """Note the generation in the metadata of the collection."""
        self._collection(name).modify(metadata={_GENERATION: generation})

    def query(self, name: str, vector: Vectors, n: int) -> list[tuple[str, float]]:
        """The nearest vectors."""
        found = self._collection(name).query(
            query_embeddings=vector[None, :], n_results=n, include=["distances"]
        )
        distances = (found["distances"] or [[]])[0]
        return [(key, 1 - far) for key, far in zip(found["ids"][0], distances, strict=True)]

    def drop(self, name: str) -> None:
        """Delete a collection, if it is there."""
        self._known.pop(name, None)
        if self._exists(name):
            self._client.delete_collection(name)

    @property
    def used(self) -> list[str]:
        """Names of the collections that were used here."""
        return list(self._known)

    @property
    def names(self) -> list[str]:
        """Names of all collections there are."""
        return [collection.name for collection in self._client.list_collections()]

    def _exists(self, name: str) -> bool:
        from chromadb.errors import NotFoundError  # noqa: PLC0415 - heavy

        try:
            self._client.get_collection(name, embedding_function=None)
        except NotFoundError:
            return False
        return True

    def _collection(self, name: str) -> "Collection":
        if name not in self._known:
            self._known[name] = self._client.get_or_create_collection(
                name, embedding_function=None, configuration={"hnsw": _SPACE}
            )
        return self._known[name]


def _parts(length: int) -> Iterator[slice]:
    return (slice(start, start + _BATCH) for start in range(0, length, _BATCH))


def closable(client: object) -> "Client":
    """What Chroma makes; its annotations say less than what there is."""
    from chromadb.api.client import Client  # noqa: PLC0415 - heavy

    if not isinstance(client, Client):
        raise StoreError(f"this version of chromadb makes a {type(client).__name__}")
    return client
