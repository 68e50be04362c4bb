"""Chroma on a server."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from fusion_agents.errors import ConfigError, StoreError
from fusion_agents.stores.template_indexes.chroma_collections import ChromaCollections, closable

if TYPE_CHECKING:
    import httpx
    from chromadb.api.client import Client

_PATIENCE = 60.0
"""Seconds for a request; Chroma itself would wait for ever."""


class ServedChroma:
    """A server and the client that speaks to it, from its first use on.

    Args:
        url: Such as `http://localhost:8000`.
        headers: Sent with each request.

    Raises:
        ConfigError: If the address is none.
    """

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        try:
            parts = urlsplit(url)
            self._host, port = parts.hostname, parts.port
        except ValueError:
            self._host, port = None, None
        if not self._host:
            raise ConfigError(f"{url!r} is no address of a Chroma server: write http://host:port")
        self._ssl = parts.scheme == "https"
        self._port = port or (443 if self._ssl else 8000)
        self.what = f"the Chroma server {parts.scheme}://{self._host}:{self._port}"
        self._headers = dict(headers)
        self._client: Client | None = None
        self._chroma: ChromaCollections | None = None

    def collections(self) -> ChromaCollections:
        """Connect if that has not happened yet.

        Raises:
            StoreError: If the server does not answer.
        """
        if self._chroma is None:
            self._client = self._connect()
            self._chroma = ChromaCollections(self._client)
        return self._chroma

    def is_there(self) -> bool:
        """Whether it answers."""
        try:
            return self._client is not None and self._client.heartbeat() > 0
        except Exception:  # noqa: BLE001 - whatever it is, the server does not answer
            return False

    def discard(self, names: Sequence[str] | None) -> None:
        """Delete collections; all that were used here if there are no names."""
        chroma = self.collections()
        for name in chroma.used if names is None else names:
            chroma.drop(name)

    def close(self) -> None:
        """Let go of the connection; it is opened again when it is needed."""
        client, self._client, self._chroma = self._client, None, None
        if client is not None:
            sessions = _sessions(client)
            client.close()
            for session in sessions:  # Chroma leaves its connections open
                session.close()

    def _connect(self) -> "Client":
        import chromadb  # noqa: PLC0415 - heavy
        from chromadb.config import Settings  # noqa: PLC0415

        try:
            client = closable(
                chromadb.HttpClient(
                    host=str(self._host),
                    port=self._port,
                    ssl=self._ssl,
                    headers=self._headers,
                    settings=Settings(anonymized_telemetry=False),
                )
            )
        except Exception as error:  # its own errors, and those of HTTP
            raise StoreError(f"{self.what} cannot be reached: {error}") from error
        for session in _sessions(client):
            session.timeout = _PATIENCE
        return client


def _sessions(client: "Client") -> list["httpx.Client"]:
    """The connections of a client, and of the one for administration that it makes."""
    servers = (client._server, getattr(client._admin_client, "_server", None))
    found = (getattr(server, "_session", None) for server in servers)
    return [session for session in found if session is not None]
