"""An OpenAI-compatible server on loopback that behaves as well or as badly as it is told to."""

import asyncio
import json
import threading
from collections import deque
from types import TracebackType
from typing import Self

from langchain_core.messages.utils import convert_to_messages

from fusion_agents.errors import ConfigError
from fusion_agents.testing.fake_reply import calls_for, reply_in_json, reply_in_words
from fusion_agents.testing.openai_behaviour import Behaviour, CalledTool, Request, Rule
from fusion_agents.testing.openai_connection import Connection
from fusion_agents.testing.openai_payload import dumped, embeddings, model_list
from fusion_agents.testing.openai_tuning import Fault, Tuning

__all__ = [
    "Behaviour",
    "CalledTool",
    "Fault",
    "OpenAIServer",
    "Request",
    "Rule",
    "Tuning",
    "usual",
]

_STARTS_WITHIN = 10.0


class OpenAIServer:
    """Lets the real OpenAI clients talk to something that costs nothing and fails on demand.

    It listens on a free port of 127.0.0.1, in a thread of its own, and serves
    `POST /v1/chat/completions` (plain, streaming, tool calls, structured output),
    `POST /v1/embeddings`, `GET /v1/models`, and files and fine-tuning jobs as `tuning` says. How
    a chat request is treated is said by the script, one behaviour a request, then by `rule`, and
    otherwise the server repeats what it was asked, calls the tools that the query names, and
    makes up what a schema wants; a fine-tuned model (`ft:...`) answers when its job succeeded.

    Use it as a context manager, synchronous or asynchronous.

    Args:
        rule: Says how to treat each chat request; called in the server's thread.
        models: Names that `GET /v1/models` lists; chat requests may name any.
        tuning: Files and fine-tuning jobs; without it, a healthy provider's.

    >>> import openai
    >>> with OpenAIServer() as server:
    ...     server.script(Behaviour(text="42"))
    ...     with openai.OpenAI(base_url=server.base_url, api_key="test") as client:
    ...         asked = [{"role": "user", "content": "6 * 7?"}]
    ...         answer = client.chat.completions.create(model="small", messages=asked)
    >>> answer.choices[0].message.content, server.requests[0].text
    ('42', '6 * 7?')
    """

    def __init__(
        self,
        rule: Rule | None = None,
        *,
        models: tuple[str, ...] = ("fake",),
        tuning: Tuning | None = None,
    ) -> None:
        self.rule = rule
        self.models = models
        self.tuning = tuning or Tuning()
        self.requests: list[Request] = []
        """Every request, in the order in which they came."""
        self.peak = 0
        """Most requests that were in service at once."""
        self.in_service = 0
        """Requests that wait for their answer, or are getting it."""
        self.closed_early = 0
        """Requests whose client left before the end of the answer."""
        self._script: deque[Behaviour] = deque()
        self._connections: set[Connection] = set()
        self._failures: list[BaseException] = []
        self._port = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._empty = asyncio.Event()
        self._thread: threading.Thread | None = None

    # -- what tests use ---------------------------------------------------------------------

    @property
    def base_url(self) -> str:
        """What a client takes as its `base_url`.

        Raises:
            ConfigError: If the server is not running.
        """
        if self._thread is None:
            raise ConfigError("the server is not running: use it as a context manager, or start it")
        return f"http://127.0.0.1:{self._port}/v1"

    @property
    def hits(self) -> int:
        """How many requests came."""
        return len(self.requests)

    def script(self, *behaviours: Behaviour) -> None:
        """Say how to treat the next chat requests, one behaviour each, after those said before."""
        self._script.extend(behaviours)

    def forget(self) -> None:
        """Empty the script and the record of requests, and set all counts to zero."""
        self._script.clear()
        self.requests.clear()
        self.peak = self.in_service
        self.closed_early = 0

    # -- running ----------------------------------------------------------------------------

    def start(self) -> Self:
        """Listen; returns when it does.

        Raises:
            ConfigError: If it runs already.
        """
        if self._thread is not None:
            raise ConfigError("the server runs already")
        listening = threading.Event()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._main(listening)), name="openai-server", daemon=True
        )
        self._thread.start()
        if not listening.wait(_STARTS_WITHIN):
            raise ConfigError("the server cannot listen on 127.0.0.1")
        return self

    def close(self) -> None:
        """Drop all connections and end the thread; a second call does nothing.

        Raises:
            Exception: The first that the rule raised, so that a broken rule fails the test.
        """
        thread, self._thread = self._thread, None
        if thread is None:
            return
        if self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        thread.join()
        if self._failures:
            raise self._failures.pop(0)

    async def _main(self, listening: threading.Event) -> None:
        self._loop = loop = asyncio.get_running_loop()
        self._stop, self._empty = asyncio.Event(), asyncio.Event()
        loop.set_exception_handler(self._failed)
        server = await loop.create_server(lambda: Connection(self), "127.0.0.1", 0, backlog=4096)
        self._port = server.sockets[0].getsockname()[1]
        listening.set()
        await self._stop.wait()
        server.close()
        for connection in list(self._connections):
            connection.drop(reset=True)
        await server.wait_closed()
        if self._connections:
            await self._empty.wait()

    def _failed(self, loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        error = context.get("exception")
        message = str(context.get("message"))
        self._failures.append(error if isinstance(error, BaseException) else RuntimeError(message))

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return await asyncio.to_thread(self.start)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(self.close)

    # -- what connections call --------------------------------------------------------------

    def opened(self, connection: Connection) -> None:
        """Take note of a connection."""
        self._connections.add(connection)
        self._empty.clear()

    def closed(self, connection: Connection) -> None:
        """Forget a connection."""
        self._connections.discard(connection)
        if not self._connections:
            self._empty.set()

    def begin(self, request: Request) -> tuple[int, Behaviour]:
        """Number a request and say how to treat it."""
        self.requests.append(request)
        self.in_service += 1
        self.peak = max(self.peak, self.in_service)
        return len(self.requests), self._behaviour(request)

    def end(self, *, early: bool) -> None:
        """A request is answered, or its client left early."""
        self.in_service -= 1
        self.closed_early += early

    def _behaviour(self, request: Request) -> Behaviour:
        where = request.method, request.path
        if where == ("GET", "/v1/models"):
            return Behaviour(body=dumped(model_list((*self.models, *self.tuning.models))))
        if where == ("POST", "/v1/embeddings"):
            return Behaviour(body=dumped(embeddings(request)))
        if (tuned := self.tuning.treat(request)) is not None:
            return tuned
        if where != ("POST", "/v1/chat/completions"):
            return Behaviour(status=404, message=f"nothing is served at {' '.join(where)}")
        if self._script:
            return self._script.popleft()
        if request.model.startswith("ft:") and request.model not in self.tuning.models:
            missing = f"The model `{request.model}` does not exist or you do not have access to it."
            return Behaviour(status=404, message=missing, code="model_not_found")
        return (self.rule(request) if self.rule else None) or usual(request)


def usual(request: Request) -> Behaviour:
    """Treat a request as a healthy provider does."""
    tools = request.body.get("tools")
    wanted = request.body.get("response_format")
    if not tools and not wanted and request.messages and request.messages[-1].get("role") == "user":
        return Behaviour(text=f"{request.model} was asked: {request.text}")
    messages = convert_to_messages([dict(message) for message in request.messages])
    try:
        calls = calls_for(messages, tools or (), request.body.get("tool_choice"))
        text = reply_in_words(messages, request.model)
        if wanted and wanted.get("type") != "text":
            text = reply_in_json(messages, wanted, text)
    except ConfigError as error:
        return Behaviour(status=400, message=str(error))
    if calls:
        called = (CalledTool(name=c["name"], args=json.dumps(c["args"])) for c in calls)
        return Behaviour(text=None, tool_calls=tuple(called))
    return Behaviour(text=text)
