"""`ChatFusion`: query-level fusion for wherever a chat model is asked for."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any, Self
from uuid import UUID, uuid4

from langchain_core.callbacks import (
    AsyncCallbackManagerForLLMRun,
    CallbackManagerForLLMRun,
    Callbacks,
)
from langchain_core.language_models import BaseChatModel, LanguageModelInput, ModelProfile
from langchain_core.language_models.base import LangSmithParams
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.utils import count_tokens_approximately
from langchain_core.outputs import ChatGeneration, ChatResult, LLMResult, RunInfo
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import ensure_config
from langchain_core.runnables.utils import ConfigurableFieldSpec
from langchain_core.tools import BaseTool
from pydantic import ConfigDict, Field, model_validator

from fusion_agents.answering.nouns import Answer, Bindings
from fusion_agents.chain import FusionRouterChain
from fusion_agents.chat_model.asking import Asking, bindings_of, chosen_model
from fusion_agents.chat_model.binding import FusionBinding
from fusion_agents.chat_model.blocks import Blocks, in_blocks
from fusion_agents.chat_model.events import async_event_stream, event_stream
from fusion_agents.chat_model.profile import common_profile
from fusion_agents.chat_model.structured import StructuredFusion
from fusion_agents.errors import ConfigError
from fusion_agents.steps.configuring import extended


class ChatFusion(BaseChatModel):
    """A chat model that answers each call with the model that a router chose for it.

    Tools, schemas and options that are bound to it are kept until a model is chosen, and bound to
    that one. The argument `model` of a call chooses a model of the pool by its name; the
    chain's configurable keys (`objective`, `model`, `arm`, `tenant`) work as on the chain.

    A call is one run of the chain with the runs of the models that it asked below it; this class
    is no run of its own, so that callbacks see each token, and count each call's usage, once.
    Caches and rate limiters belong to the models of the pool.

    >>> from fusion_agents.testing.fake_chat import FakeChatModel
    >>> models = {"small": FakeChatModel(answer="4"), "large": FakeChatModel(answer="Four.")}
    >>> model = FusionRouterChain.from_models(models).as_chat_model()
    >>> model.invoke("2 + 2?", model="large").content
    'Four.'
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    chain: FusionRouterChain = Field(exclude=True)
    """Decides and answers."""
    temperature: float | None = None
    """Passed to the chosen model, whichever it is; as are the next two."""
    max_tokens: int | None = None
    stop: list[str] | None = None
    streaming: bool = False
    """Whether models are asked to stream also by calls that wait for the whole answer."""

    @model_validator(mode="after")
    def _leave_to_the_models(self) -> Self:
        if self.cache or self.rate_limiter is not None:
            raise ConfigError("give a cache or a rate limiter to the models of the pool")
        return self

    # -- what callers bind --------------------------------------------------------------------

    def bind(self, **kwargs: Any) -> FusionBinding:  # type: ignore[override]
        """Bind arguments of the call."""
        return FusionBinding(bound=self, kwargs=kwargs, config={})

    def with_config(self, config: RunnableConfig | None = None, **kwargs: Any) -> FusionBinding:
        """Bind config to every call."""
        return self.bind().with_config(config, **kwargs)  # type: ignore[return-value]

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool | Runnable[Any, Any]],
        *,
        tool_choice: Any = None,
        **kwargs: Any,
    ) -> FusionBinding:
        """Give tools to whichever model is chosen, among those that can call tools.

        Args:
            tools: In any form that the models take; runnables become tools.
            tool_choice: As the models take it.
            **kwargs: Further arguments of the models' `bind_tools`, such as `strict`.
        """
        given = [_as_tool(tool) for tool in tools]
        return self.bind(tools=given, tool_choice=tool_choice, **kwargs)

    def with_structured_output(
        self, schema: dict[str, Any] | type, *, include_raw: bool = False, **kwargs: Any
    ) -> StructuredFusion:
        """Have whichever model is chosen answer as the schema wants it.

        Args:
            schema: As the models take it: a pydantic class, a `TypedDict`, a JSON schema.
            include_raw: Give a dict of `raw`, `parsed` and `parsing_error`.
            **kwargs: Further arguments of the models' `with_structured_output`, such as `method`
                and `strict`; without a method, each model uses what suits it best.
        """
        given = {name: value for name, value in kwargs.items() if value is not None}
        bindings = Bindings(schema=schema, schema_options=given, options=self._options())
        asking = Asking(self.chain, bindings, self._extra())
        return StructuredFusion(asking, include_raw=include_raw)

    # -- answering ----------------------------------------------------------------------------

    def invoke(
        self,
        input: LanguageModelInput,
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> AIMessage:
        """Answer; further arguments go to the chosen model.

        Raises:
            AnswerError: If no arm answers.
            RouteError: If no arm may be chosen or is able to answer.
        """
        return self._message(self._asking(stop, kwargs).invoke(input, config))

    async def ainvoke(
        self,
        input: LanguageModelInput,
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> AIMessage:
        """Answer, in an event loop."""
        return self._message(await self._asking(stop, kwargs).ainvoke(input, config))

    def batch(
        self,
        inputs: list[LanguageModelInput],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> list[AIMessage]:
        """Answer many; their queries are encoded and routed together."""
        asking = self._asking(stop, kwargs)
        answers = asking.batch(inputs, config, return_exceptions=return_exceptions)
        return self._messages(answers)

    async def abatch(
        self,
        inputs: list[LanguageModelInput],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> list[AIMessage]:
        """Answer many, in an event loop; their queries are encoded and routed together."""
        asking = self._asking(stop, kwargs)
        answers = await asking.abatch(inputs, config, return_exceptions=return_exceptions)
        return self._messages(answers)

    def generate(
        self,
        messages: list[list[BaseMessage]],
        stop: list[str] | None = None,
        callbacks: Callbacks = None,
        *,
        run_id: UUID | None = None,
        **kwargs: Any,
    ) -> LLMResult:
        """Answer many conversations; the first failure ends it."""
        configs = _configs(len(messages), callbacks, run_id, kwargs)
        answers = self._asking(stop, kwargs).batch(messages, configs)
        return _result(self._messages(answers), configs)

    async def agenerate(
        self,
        messages: list[list[BaseMessage]],
        stop: list[str] | None = None,
        callbacks: Callbacks = None,
        *,
        run_id: UUID | None = None,
        **kwargs: Any,
    ) -> LLMResult:
        """Answer many conversations, in an event loop."""
        configs = _configs(len(messages), callbacks, run_id, kwargs)
        answers = await self._asking(stop, kwargs).abatch(messages, configs)
        return _result(self._messages(answers), configs)

    # -- streaming ----------------------------------------------------------------------------

    def stream(
        self,
        input: LanguageModelInput,
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> Iterator[AIMessageChunk]:
        """Answer in chunks as they come."""
        if self._streaming_disabled(**kwargs):
            yield _chunk(self.invoke(input, config, stop=stop, **kwargs))
            return
        blocks = Blocks() if self.output_version == "v1" else None
        for chunk in self._asking(stop, kwargs).chunks(input, config):
            yield chunk if blocks is None else blocks.number(chunk)

    async def astream(
        self,
        input: LanguageModelInput,
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[AIMessageChunk]:
        """Answer in chunks, in an event loop."""
        if self._streaming_disabled(**kwargs):
            yield _chunk(await self.ainvoke(input, config, stop=stop, **kwargs))
            return
        blocks = Blocks() if self.output_version == "v1" else None
        async for chunk in self._asking(stop, kwargs).achunks(input, config):
            yield chunk if blocks is None else blocks.number(chunk)

    def stream_events(
        self,
        input: LanguageModelInput,
        config: RunnableConfig | None = None,
        *,
        version: str = "v2",
        **kwargs: Any,
    ) -> Any:
        """Give the events of an answer; see LangChain's `BaseChatModel.stream_events`."""
        if version != "v3":
            return super().stream_events(input, config, version=version, **kwargs)  # type: ignore[call-overload]
        return event_stream(self.stream(input, ensure_config(config), **kwargs))

    def astream_events(
        self,
        input: LanguageModelInput,
        config: RunnableConfig | None = None,
        *,
        version: str = "v2",
        **kwargs: Any,
    ) -> Any:
        """Give the events of an answer, in an event loop."""
        if version != "v3":
            return super().astream_events(input, config, version=version, **kwargs)  # type: ignore[call-overload]

        async def opened() -> Any:
            return async_event_stream(self.astream(input, ensure_config(config), **kwargs))

        return opened()

    # -- for those who call what lies below ---------------------------------------------------

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        message = self.invoke(messages, stop=stop, **kwargs)
        return ChatResult(generations=[ChatGeneration(message=message)])

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        message = await self.ainvoke(messages, stop=stop, **kwargs)
        return ChatResult(generations=[ChatGeneration(message=message)])

    # -- what a call is made of ---------------------------------------------------------------

    def _asking(self, stop: list[str] | None, kwargs: Mapping[str, Any]) -> Asking:
        given = {**self._options(), **kwargs}
        if stop is not None:
            given["stop"] = stop
        model = given.pop("model", None)
        extra = extended(self._extra(), chosen_model(self.chain, model), own=False)
        return Asking(self.chain, bindings_of(given), extra)

    def _options(self) -> dict[str, Any]:
        said: dict[str, Any] = {
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
            "stop": self.stop,
            "stream": True if self.streaming else None,
        }
        if self.disable_streaming is True:
            said["stream"] = False
        return {name: value for name, value in said.items() if value is not None}

    def _extra(self) -> RunnableConfig:
        return RunnableConfig(
            tags=self.tags or [], metadata=self.metadata or {}, callbacks=self.callbacks
        )

    def _message(self, answer: Answer) -> AIMessage:
        return in_blocks(answer.message) if self.output_version == "v1" else answer.message

    def _messages(self, answers: Sequence[Answer]) -> list[AIMessage]:
        """The messages; errors, which `return_exceptions` puts between answers, stay."""
        return [self._message(a) if isinstance(a, Answer) else a for a in answers]

    # -- what it says about itself ------------------------------------------------------------

    @property
    def config_specs(self) -> list[ConfigurableFieldSpec]:
        """What a call may choose."""
        return self.chain.config_specs

    def get_num_tokens(self, text: str) -> int:
        """Estimate, at four characters a token: which model will count them is not known yet."""
        return count_tokens_approximately([text], extra_tokens_per_message=0)

    def get_num_tokens_from_messages(
        self, messages: list[BaseMessage], tools: Sequence[Any] | None = None
    ) -> int:
        """Estimate, tools included."""
        return count_tokens_approximately(messages, tools=list(tools) if tools else None)

    @property
    def _llm_type(self) -> str:
        return "fusion"

    @property
    def _identifying_params(self) -> Mapping[str, Any]:
        return {
            "model": "fusion",
            "arms": [str(arm) for arm in self.chain.steps.arms],
            "objective": self.chain.objective.name,
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
            "stop": self.stop,
        }

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop or self.stop, **{"model": "fusion", **kwargs})
        params["ls_provider"] = "fusion"
        return params

    def _resolve_model_profile(self) -> ModelProfile | None:
        return common_profile(self.chain.pool, (arm.model for arm in self.chain.steps.arms))


def _as_tool(tool: Any) -> Any:
    if isinstance(tool, Runnable) and not isinstance(tool, BaseTool):
        return tool.as_tool()
    return tool


def _chunk(message: AIMessage) -> AIMessageChunk:
    return AIMessageChunk(**message.model_dump(exclude={"type"}), chunk_position="last")


def _configs(
    length: int, callbacks: Callbacks, run_id: UUID | None, kwargs: dict[str, Any]
) -> list[RunnableConfig]:
    """A config for each conversation, of arguments that are not the model's."""
    shared = RunnableConfig(callbacks=callbacks)
    for key in ("tags", "metadata", "run_name"):
        if kwargs.get(key):
            shared[key] = kwargs[key]
        kwargs.pop(key, None)
    ids = [run_id or uuid4(), *(uuid4() for _ in range(length - 1))]
    return [RunnableConfig(**shared, run_id=ids[i]) for i in range(length)]


def _result(messages: Sequence[AIMessage], configs: Sequence[RunnableConfig]) -> LLMResult:
    return LLMResult(
        generations=[[ChatGeneration(message=message)] for message in messages],
        llm_output={},
        run=[RunInfo(run_id=run_id) for config in configs if (run_id := config.get("run_id"))],
    )
