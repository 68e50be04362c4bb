"""One connection to the loopback server: HTTP/1.1 with keep-alive, no more than clients need."""

import asyncio
import http
import json
import socket
import struct
import time
from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import parse_qsl

from fusion_agents.testing.openai_behaviour import Behaviour, Request
from fusion_agents.testing.openai_payload import (
    completion,
    dumped,
    error_body,
    event,
    first_event,
    last_events,
    token_events,
)

_PARTS = 10
_REASONS = {status.value: status.phrase for status in http.HTTPStatus}


class Host(Protocol):
    """What a connection needs of its server."""

    def opened(self, connection: "Connection") -> None:
        """Take note of a connection."""

    def closed(self, connection: "Connection") -> None:
        """Forget a connection."""

    def begin(self, request: Request) -> tuple[int, Behaviour]:
        """Number a request and say how to treat it."""

    def end(self, *, early: bool) -> None:
        """A request is answered, or its client left early."""


class Connection(asyncio.Protocol):
    """Reads requests one after the other and answers each as its behaviour says."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._busy = False
        self._task: asyncio.Task[None] | None = None

    # -- what asyncio calls -----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._host.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """End; what was being answered is given up."""
        self._transport = None
        self._finish(early=True)
        if self._task is not None:
            self._task.cancel()
        self._host.closed(self)

    def data_received(self, data: bytes) -> None:
        """Collect bytes until there is a whole request."""
        self._received += data
        if not self._busy:
            self._next_request()

    # -- requests ---------------------------------------------------------------------------

    def _next_request(self) -> None:
        end = self._received.find(b"\r\n\r\n")
        if end < 0 or self._transport is None:
            return
        first, *lines = self._received[:end].decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        whole = end + 4 + int(headers.get("content-length", 0))
        if len(self._received) < whole:
            return
        body = bytes(self._received[end + 4 : whole])
        del self._received[:whole]
        self._busy = True
        request = _request(first, headers, body)
        number, behaviour = self._host.begin(request)
        if _at_once(behaviour, request):
            self._plain(behaviour, request, number)
        else:
            self._task = asyncio.get_running_loop().create_task(
                self._slowly(behaviour, request, number)
            )

    def _finish(self, *, early: bool = False) -> None:
        if self._busy:
            self._busy = False
            self._host.end(early=early)

    def _next(self) -> None:
        self._finish()
        if self._received:
            self._next_request()

    # -- answers ----------------------------------------------------------------------------

    async def _slowly(self, behaviour: Behaviour, request: Request, number: int) -> None:
        await asyncio.sleep(behaviour.delay)
        if behaviour.hang:
            return  # stays busy until the client leaves
        if behaviour.reset and behaviour.cut_after is None:
            self.drop(reset=True)
        elif request.streaming and behaviour.status < 400 and behaviour.body is None:
            await self._streamed(behaviour, request, number)
        elif behaviour.cut_after is not None:
            head, body = _response(behaviour, request, number)
            self._write(head + body[: len(body) // 2])
            self.drop(reset=behaviour.reset)
        else:
            await self._dripped(behaviour, request, number)

    def _plain(self, behaviour: Behaviour, request: Request, number: int) -> None:
        head, body = _response(behaviour, request, number)
        self._write(head + body)
        self._next()

    async def _dripped(self, behaviour: Behaviour, request: Request, number: int) -> None:
        head, body = _response(behaviour, request, number)
        size = -(-len(body) // _PARTS) if behaviour.drip else len(body)
        self._write(head + body[:size])
        for start in range(size, len(body), size or 1):
            await asyncio.sleep(behaviour.drip)
            self._write(body[start : start + size])
        self._next()

    async def _streamed(self, behaviour: Behaviour, request: Request, number: int) -> None:
        headers = {"content-type": "text/event-stream", "transfer-encoding": "chunked"}
        self._write(_head(behaviour, number, headers))
        self._write(_chunk(first_event(behaviour, request, number)))
        for sent, token in enumerate(token_events(behaviour, request, number)):
            if sent == behaviour.cut_after:
                break
            if sent == behaviour.error_after:
                failed = behaviour.model_copy(update={"status": 500})
                self._write(_chunk(event(error_body(failed, request))) + _chunk(b""))
                return self._next()
            if behaviour.drip and sent:
                await asyncio.sleep(behaviour.drip)
            self._write(_chunk(token))
        if behaviour.cut_after is not None:
            await asyncio.sleep(0)  # what was written leaves before the reset
            return self.drop(reset=behaviour.reset)
        self._write(_chunk(last_events(behaviour, request, number)) + _chunk(b""))
        return self._next()

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def drop(self, *, reset: bool = False) -> None:
        """Close the connection from this side."""
        self._finish()
        if self._transport is None:
            return
        if reset:
            sock = self._transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._transport.abort()
        else:
            self._transport.close()


def _request(first: str, headers: Mapping[str, str], body: bytes) -> Request:
    method, address, _ = first.split(" ", 2)
    path, _, query = address.partition("?")
    is_form = headers.get("content-type", "").startswith("multipart/")
    return Request(
        time.monotonic(),
        method,
        path,
        headers,
        {} if is_form else _json(body),
        dict(parse_qsl(query)),
        body if is_form else b"",
    )


def _at_once(behaviour: Behaviour, request: Request) -> bool:
    special = behaviour.delay or behaviour.drip or behaviour.hang or behaviour.reset
    answered = request.streaming and behaviour.status < 400 and behaviour.body is None
    return not (special or answered or behaviour.cut_after is not None)


def _response(behaviour: Behaviour, request: Request, number: int) -> tuple[bytes, bytes]:
    kind = behaviour.content_type or "application/json"
    if behaviour.body is not None:
        raw = behaviour.body
        body = raw.encode() if isinstance(raw, str) else raw
        if behaviour.content_type is None and body.lstrip().startswith(b"<"):
            kind = "text/html"
    elif behaviour.status >= 400:
        body = dumped(error_body(behaviour, request))
    else:
        body = dumped(completion(behaviour, request, number))
    headers = {"content-type": kind, "content-length": str(len(body))}
    return _head(behaviour, number, headers), body


def _head(behaviour: Behaviour, number: int, headers: Mapping[str, str]) -> bytes:
    every = {**headers, "x-request-id": f"req_{number}"}
    if behaviour.retry_after is not None:
        every["retry-after"] = behaviour.retry_after
    if behaviour.retry_after_ms is not None:
        every["retry-after-ms"] = f"{behaviour.retry_after_ms:g}"
    every |= behaviour.headers
    lines = "".join(f"{name}: {value}\r\n" for name, value in every.items())
    reason = _REASONS.get(behaviour.status, "")
    return f"HTTP/1.1 {behaviour.status} {reason}\r\n{lines}\r\n".encode("latin-1")


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _json(body: bytes) -> Mapping[str, Any]:
    try:
        value = json.loads(body) if body else {}
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
