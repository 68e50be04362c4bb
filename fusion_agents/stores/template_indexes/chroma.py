"""Chroma as the index of the thought templates: in a folder of one process, or on a server."""

import os
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from fusion_agents.errors import ConfigError, StoreError
from fusion_agents.stores.template_indexes.base import (
    BrokenIndexError,
    Mark,
    TemplateIndex,
    Vectors,
    stale,
)
from fusion_agents.stores.template_indexes.chroma_collections import ChromaCollections
from fusion_agents.stores.template_indexes.chroma_folder import ChromaFolder

if TYPE_CHECKING:
    from chromadb.api.client import Client


class ChromaIndex(TemplateIndex):
    """Keeps the vectors in a folder that one process at a time may open.

    Not even what a kill, a full disk or a broken file does to Chroma loses a template: what was
    not closed properly, or has changed since, is removed and filled again from the ledger. Close
    it at the end, or filling takes seconds for each ten thousand templates next time.

    Args:
        path: The folder; made if it is missing, but its parent must exist.

    Raises:
        StoreError: If another process has opened it, which is named; or it is a folder of
            something else, which is left alone.
    """

    def __init__(self, path: str | Path) -> None:
        self._lock = threading.RLock()
        self._opened = _Opened(ChromaFolder(Path(path)))
        self._finish = weakref.finalize(self, self._opened.close)

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
        """Forget a collection; or all, whatever is left of the files."""
        if collection is None:
            with self._lock:
                self._opened.renew()
        else:
            with self._using() as chroma:
                chroma.drop(collection)

    def sweep(self, prefix: str, kept: str) -> None:
        """Forget outdated collections, with everything else, so that no file holds them."""
        with self._using() as chroma:
            outdated = stale(chroma.names, prefix, kept)
        if outdated:
            self.drop()

    def close(self) -> None:
        """Close the folder properly; a second call does nothing."""
        with self._lock:
            self._finish()

    @contextmanager
    def _using(self) -> Iterator[ChromaCollections]:
        with self._lock, _explained(self._opened.folder.what):
            yield self._opened.collections()


class ChromaServerIndex(TemplateIndex):
    """Keeps the vectors on a Chroma server, which several processes may share.

    Chroma's own server asks nobody for a password: let it be reached from where you trust only.

    Args:
        url: Such as `http://localhost:8000`.
        headers: Sent with each request.
    """

    def __init__(self, url: str, *, headers: Mapping[str, str] | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(f"{url!r} is no address of a Chroma server: write http://host:port")
        self._what = f"the Chroma server {parts.scheme}://{parts.hostname}:{parts.port or 8000}"
        self._parts = parts
        self._headers = dict(headers or {})
        self._lock = threading.RLock()
        self._client: Client | None = None
        self._chroma: ChromaCollections | None = None

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
        """Delete a collection; or all that this process has used."""
        with self._using() as chroma:
            for name in chroma.used if collection is None else [collection]:
                chroma.drop(name)

    def sweep(self, prefix: str, kept: str) -> None:
        """Delete outdated collections, whoever made them."""
        with self._using() as chroma:
            for name in stale(chroma.names, prefix, kept):
                chroma.drop(name)

    def close(self) -> None:
        """Let go of the connection; a second call does nothing."""
        with self._lock:
            if self._client is not None:
                self._client.close()
            self._client = self._chroma = None

    @contextmanager
    def _using(self) -> Iterator[ChromaCollections]:
        with self._lock:
            if self._chroma is None:
                self._client = self._connect()
                self._chroma = ChromaCollections(self._client)
            with _explained(self._what, is_there=self._is_there):
                yield self._chroma

    def _connect(self) -> "Client":
        import chromadb  # noqa: PLC0415 - heavy
        from chromadb.config import Settings  # noqa: PLC0415

        with _explained(self._what, is_there=lambda: False):
            return _closable(
                chromadb.HttpClient(
                    host=str(self._parts.hostname),
                    port=self._parts.port or 8000,
                    ssl=self._parts.scheme == "https",
                    headers=self._headers,
                    settings=Settings(anonymized_telemetry=False),
                )
            )

    def _is_there(self) -> bool:
        try:
            return self._client is not None and self._client.heartbeat() > 0
        except Exception:  # noqa: BLE001 - whatever it is, the server does not answer
            return False


class _Opened:
    """A folder and the client that uses it, until they are closed."""

    def __init__(self, folder: ChromaFolder) -> None:
        self.folder = folder
        self._pid = os.getpid()
        self._client: Client | None = None
        self._chroma: ChromaCollections | None = None
        self._closed = False

    def collections(self) -> ChromaCollections:
        """Open Chroma if that has not happened yet."""
        self._check_usable()
        if self._chroma is None:
            self._client = _embedded(self.folder.current)
            self._chroma = ChromaCollections(self._client)
        return self._chroma

    def renew(self) -> None:
        """Begin again with an empty subfolder."""
        self._check_usable()
        self._let_go()
        self.folder.renew()

    def close(self) -> None:
        """Seal the folder, so that it can be trusted next time, and release it."""
        if self._closed or os.getpid() != self._pid:
            return
        self._closed = True
        try:
            if self._let_go():
                self.folder.seal()
        finally:
            self.folder.release()

    def _let_go(self) -> bool:
        """Close Chroma, and say whether it ended well."""
        client, self._client, self._chroma = self._client, None, None
        try:
            with _explained(self.folder.what):
                if client is not None:
                    client.close()
        except BrokenIndexError:
            return False
        return True

    def _check_usable(self) -> None:
        if self._closed:
            raise StoreError(f"{self.folder.what} is closed")
        if os.getpid() != self._pid:
            raise StoreError(f"{self.folder.what} was opened before a fork: open it afterwards")


def _embedded(path: Path) -> "Client":
    import chromadb  # noqa: PLC0415 - heavy
    from chromadb.config import Settings  # noqa: PLC0415

    settings = Settings(anonymized_telemetry=False)
    return _closable(chromadb.PersistentClient(str(path), settings=settings))


def _closable(client: object) -> "Client":
    """What Chroma makes; its annotations say less than what there is."""
    from chromadb.api.client import Client  # noqa: PLC0415 - heavy

    if not isinstance(client, Client):
        raise StoreError(f"this version of chromadb gives a {type(client).__name__}")
    return client


@contextmanager
def _explained(what: str, is_there: Callable[[], bool] = lambda: True) -> Iterator[None]:
    """Turn whatever Chroma raises into an error that says whether filling it again may help."""
    try:
        yield
    except StoreError:
        raise
    except BaseException as error:
        # Chroma raises errors of its own, of SQLite, of Rust and of HTTP, without a common base;
        # a panic in Rust is not even an `Exception`.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        if is_there():
            raise BrokenIndexError(f"{what} is broken: {error}") from error
        raise StoreError(f"{what} cannot be reached: {error}") from error
