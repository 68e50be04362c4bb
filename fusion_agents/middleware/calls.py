"""How an agent's own way of calling a model becomes what the answering step calls.

The answering step knows arms, attempts and one deadline; the agent's handler knows how tools and
response formats are bound and which other middleware comes next. So the step is given, in place
of each chat model, one that calls the handler of the agent's current call with that model.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeAlias

from langchain.agents.middleware.types import ModelRequest, ModelResponse
from langchain.agents.structured_output import StructuredOutputError
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, SystemMessage
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import var_child_runnable_config

from fusion_agents.middleware.handover import provider_of, readable
from fusion_agents.pool.pool import Pool

Request: TypeAlias = ModelRequest[Any]
Response: TypeAlias = ModelResponse[Any]


class OutputParserError(Exception):
    """The answer does not fit the agent's response format: the arm may do better next time."""


@dataclass(frozen=True, kw_only=True, eq=False)
class AgentCall:
    """One call of an agent: what it asks, and how it calls a model."""

    request: Request
    handler: Callable[[Request], Response] | None = None
    async_handler: Callable[[Request], Awaitable[Response]] | None = None
    responses: list[tuple[AIMessage, Response]] = field(default_factory=list)
    """What the handler gave, each with the message in it."""

    @contextmanager
    def current(self) -> Iterator[None]:
        """Make this the call that the models of a `HandledPool` are asked for."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)

    def response(self, message: AIMessage) -> tuple[AIMessage, Response]:
        """What the handler gave together with the answer, and the answer as it gave it."""
        same = (pair for pair in reversed(self.responses) if pair[0].id == message.id)
        return next(same, self.responses[-1])

    def call(
        self, model: BaseChatModel, messages: list[BaseMessage], options: dict[str, Any]
    ) -> AIMessage:
        """Ask the model; the context's config is that of its run."""
        assert self.handler is not None
        try:
            return self._read(self.handler(self._sent(model, messages, options)))
        except StructuredOutputError as error:
            _unfit(error)

    async def acall(
        self, model: BaseChatModel, messages: list[BaseMessage], options: dict[str, Any]
    ) -> AIMessage:
        """The same for an event loop."""
        assert self.async_handler is not None
        try:
            return self._read(await self.async_handler(self._sent(model, messages, options)))
        except StructuredOutputError as error:
            _unfit(error)

    def _sent(
        self, model: BaseChatModel, messages: list[BaseMessage], options: dict[str, Any]
    ) -> Request:
        system, rest = _apart(messages)
        return self.request.override(
            model=model,
            system_message=system,
            messages=readable(rest, provider_of(model)),
            model_settings={**self.request.model_settings, **options},
        )

    def _read(self, response: Response) -> AIMessage:
        said = next((m for m in response.result if isinstance(m, AIMessage)), None)
        if said is None:
            raise OutputParserError("the agent's next middleware gave no message of a model")
        self.responses.append((said, response))
        return said


_current: ContextVar[AgentCall] = ContextVar("fusion_agent_call")


class HandledPool:
    """A pool whose models are called by way of the current agent call's handler."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)

    def chat_model(self, name: str) -> "HandledModel":
        """The model of this name, to be called by a handler."""
        return HandledModel(self._pool.chat_model(name))


class HandledModel(Runnable[list[BaseMessage], AIMessage]):
    """A chat model of the pool, called by way of the current agent call's handler."""

    cache = False

    def __init__(self, model: BaseChatModel) -> None:
        self._model = model

    def invoke(
        self, input: list[BaseMessage], config: RunnableConfig | None = None, **kwargs: Any
    ) -> AIMessage:
        """Answer; the model's run is a child of the config's."""
        token = var_child_runnable_config.set(config)
        try:
            return _current.get().call(self._model, input, kwargs)
        finally:
            var_child_runnable_config.reset(token)

    async def ainvoke(
        self, input: list[BaseMessage], config: RunnableConfig | None = None, **kwargs: Any
    ) -> AIMessage:
        """The same for an event loop."""
        token = var_child_runnable_config.set(config)
        try:
            return await _current.get().acall(self._model, input, kwargs)
        finally:
            var_child_runnable_config.reset(token)


def _apart(messages: Sequence[BaseMessage]) -> tuple[SystemMessage | None, list[AnyMessage]]:
    """The system prompt, and the messages without it, as agents keep them."""
    rest: list[Any] = list(messages)
    if rest and isinstance(rest[0], SystemMessage):
        return rest[0], rest[1:]
    return None, rest


def _unfit(error: StructuredOutputError) -> NoReturn:
    raise OutputParserError(str(error)) from error
