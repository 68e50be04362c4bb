"""Chroma inside of this process, in a folder of its own."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fusion_agents.errors import StoreError
from fusion_agents.stores.template_indexes.chroma_collections import ChromaCollections, closable
from fusion_agents.stores.template_indexes.chroma_folder import ChromaFolder

if TYPE_CHECKING:
    from chromadb.api.client import Client


class EmbeddedChroma:
    """A folder and the client that uses it, until they are closed.

    Args:
        path: The folder.

    Raises:
        StoreError: If it cannot be had.
    """

    def __init__(self, path: Path) -> None:
        self._folder = ChromaFolder(path)
        self.what = self._folder.what
        self._pid = os.getpid()
        self._client: Client | None = None
        self._chroma: ChromaCollections | None = None
        self._closed = False

    def collections(self) -> ChromaCollections:
        """Open Chroma if that has not happened yet."""
        self._check_usable()
        if self._chroma is None:
            self._client = _open(self._folder.current)
            self._chroma = ChromaCollections(self._client)
        return self._chroma

    def is_there(self) -> bool:
        """It always is: what is broken can be replaced."""
        return True

    def discard(self, names: Sequence[str] | None) -> None:
        """Begin again with an empty subfolder, as what Chroma deletes stays in its files."""
        self._check_usable()
        self._let_go()
        self._folder.renew()

    def close(self) -> None:
        """Seal the folder, so that it can be trusted next time, and release it."""
        if self._closed or os.getpid() != self._pid:
            return
        self._closed = True
        try:
            if self._let_go():
                self._folder.seal()
        finally:
            self._folder.release()

    def _let_go(self) -> bool:
        """Close Chroma, and say whether it ended well."""
        client, self._client, self._chroma = self._client, None, None
        try:
            if client is not None:
                client.close()
        except Exception:  # noqa: BLE001 - whatever it is, the files are not to be trusted
            return False
        return True

    def _check_usable(self) -> None:
        if self._closed:
            raise StoreError(f"{self.what} is closed")
        if os.getpid() != self._pid:
            raise StoreError(f"{self.what} was opened before a fork: open it afterwards")


def _open(path: Path) -> "Client":
    import chromadb  # noqa: PLC0415 - heavy
    from chromadb.config import Settings  # noqa: PLC0415

    settings = Settings(anonymized_telemetry=False)
    return closable(chromadb.PersistentClient(str(path), settings=settings))
