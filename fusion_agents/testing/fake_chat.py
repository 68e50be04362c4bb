"""A chat model that answers at once, without a network, and can do all that real ones can."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput, ModelProfile
from langchain_core.language_models.base import LangSmithParams
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.utils import count_tokens_approximately
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import BaseModel, ConfigDict, PrivateAttr, SecretStr

from fusion_agents.errors import ConfigError
from fusion_agents.testing.fake_reply import (
    Reply,
    calls_for,
    name_of_choice,
    reply_in_json,
    reply_in_words,
)
from fusion_agents.testing.fake_stream import in_chunks
from fusion_agents.testing.fake_structured import by_response_format

Says: TypeAlias = Callable[[list[BaseMessage]], str | AIMessage]
Fault: TypeAlias = BaseException | Callable[[], BaseException]

_REMEMBERED = 1_000
_METHODS = ("function_calling", "json_mode", "json_schema")


class Received(NamedTuple):
    """One call as the model saw it."""

    messages: list[BaseMessage]
    options: dict[str, Any]
    """What was bound or passed with the call: tools, stop, temperature, ..."""


class _Calls:
    """Counts and keeps calls; copies of a model share it, so that the original knows of them."""

    def __init__(self) -> None:
        self.number = 0
        self.received: deque[Received] = deque(maxlen=_REMEMBERED)
        self._lock = threading.Lock()

    def add(self, received: Received) -> int:
        with self._lock:
            self.number += 1
            self.received.append(received)
            return self.number

    def __deepcopy__(self, memo: dict[int, Any]) -> "_Calls":
        return self


class FakeChatModel(BaseChatModel):
    """Stands in for a real chat model: deterministic, offline, and as able as one.

    It streams word by word, reports usage, stops at stop sequences, calls the tools that a query
    asks for with arguments made up from their schemas, gives structured output by tool call, JSON
    mode and JSON schema, and takes messages of any kind. It can be told to be slow or to fail.

    A bound tool is called if the last human message says its name (every tool that it names), or
    else words of it; `tool_choice` may demand or forbid it. Once there are tool results, it
    answers in words. Calls are counted over a model and its copies.

    >>> model = FakeChatModel(model="small", answer="42")
    >>> model.invoke("6 * 7?").content, model.calls
    ('42', 1)
    >>> FakeChatModel(error=[TimeoutError("slow"), None]).with_retry().invoke("Hello").content
    'fake was asked: Hello'
    """

    model: str = "fake"
    """Its name; an argument `model` of a call overrides it."""
    answer: str | Says | None = None
    """What it says: a text, or a function of the messages that gives a text or a whole message;
    without it, it repeats what it was asked."""
    delay: float = 0.0
    """Seconds before the first word."""
    chunk_delay: float = 0.0
    """Seconds between two chunks of a stream."""
    error: Fault | Sequence[Fault | None] | None = None
    """What to raise: on every call, or, as a sequence, on the first calls (none: answer)."""
    error_after: int = 0
    """Chunks of a stream that come before the error."""
    timeout: float | None = None
    """Seconds; a longer `delay` raises a `TimeoutError` after that time."""
    stop: list[str] | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    """The answer is cut off there, with the finish reason `length`."""
    max_retries: int = 2
    """As real clients have it; this one never retries."""
    streaming: bool = False
    api_key: SecretStr | None = None

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    _calls: _Calls = PrivateAttr(default_factory=_Calls)

    @property
    def calls(self) -> int:
        """How often it was called, failures included."""
        return self._calls.number

    @property
    def received(self) -> list[Received]:
        """What it was called with, oldest first; the last 1,000 calls."""
        return list(self._calls.received)

    # -- what callers bind ------------------------------------------------------------------

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: Any = None,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Give it tools.

        Args:
            tools: In any form that LangChain knows.
            tool_choice: `auto` (as without it), `any`, `required` or True to demand a call, a
                tool's name to demand that one, `none` to forbid calls; also as a dict.
            strict: Taken, and of no effect: made-up arguments always fit the schema.
            **kwargs: Bound to the call.

        Raises:
            ConfigError: If `tool_choice` names no tool.
        """
        formatted = [convert_to_openai_tool(tool, strict=strict) for tool in tools]
        names = [tool["function"]["name"] for tool in formatted]
        if isinstance(tool_choice, Mapping) and tool_choice.get("type") in ("any", "auto", "none"):
            tool_choice = tool_choice["type"]
        known = (None, True, False, "auto", "any", "required", "none", *names)
        if tool_choice not in known and name_of_choice(tool_choice) not in names:
            raise ConfigError(
                f"tool choice {tool_choice!r} is not among the bound tools: {', '.join(names)}"
            )
        return self.bind(tools=formatted, tool_choice=tool_choice, **kwargs)

    def with_structured_output(
        self,
        schema: dict[str, Any] | type,
        *,
        include_raw: bool = False,
        method: str = "function_calling",
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, dict[str, Any] | BaseModel]:
        """Answer as the schema wants it.

        Args:
            schema: A pydantic class, a `TypedDict`, a JSON schema or a tool's schema.
            include_raw: Give a dict of `raw`, `parsed` and `parsing_error`.
            method: `function_calling`, `json_mode` or `json_schema`.
            strict: Taken, and of no effect.
            **kwargs: None are known.

        Raises:
            ConfigError: If the method is not one of these.
        """
        if method == "function_calling":
            return super().with_structured_output(
                schema, include_raw=include_raw, strict=strict, **kwargs
            )
        if method not in _METHODS or kwargs:
            what = f"method {method!r}" if method not in _METHODS else f"argument {list(kwargs)}"
            raise ConfigError(f"unknown {what}: methods are {', '.join(_METHODS)}")
        return by_response_format(self, schema, method, include_raw=include_raw)

    # -- what LangChain calls ---------------------------------------------------------------

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        error = self._begin(messages, stop, kwargs)
        time.sleep(self._wait)
        self._raise(error)
        return _result(self._message(messages, stop, kwargs))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        error = self._begin(messages, stop, kwargs)
        await asyncio.sleep(self._wait)
        self._raise(error)
        return _result(self._message(messages, stop, kwargs))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        error = self._begin(messages, stop, kwargs)
        time.sleep(self._wait)
        for number, chunk in enumerate(self._chunks(messages, stop, kwargs, error)):
            if number:
                time.sleep(self.chunk_delay)
            yield chunk

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        error = self._begin(messages, stop, kwargs)
        await asyncio.sleep(self._wait)
        for number, chunk in enumerate(self._chunks(messages, stop, kwargs, error)):
            if number:
                await asyncio.sleep(self.chunk_delay)
            yield chunk

    # -- how it comes to an answer ----------------------------------------------------------

    @property
    def _wait(self) -> float:
        return self.delay if self.timeout is None else min(self.delay, self.timeout)

    def _begin(
        self, messages: list[BaseMessage], stop: list[str] | None, options: dict[str, Any]
    ) -> Fault | None:
        given = options if stop is None else {**options, "stop": stop}
        number = self._calls.add(Received(list(messages), given))
        if isinstance(self.error, Sequence):
            return self.error[number - 1] if number <= len(self.error) else None
        return self.error

    def _raise(self, error: Fault | None) -> None:
        if self.timeout is not None and self.delay > self.timeout:
            raise TimeoutError(f"{self.model} did not answer within {self.timeout:g} s")
        if error is not None:
            raise error if isinstance(error, BaseException) else error()

    def _chunks(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None,
        options: dict[str, Any],
        error: Fault | None,
    ) -> Iterator[ChatGenerationChunk]:
        if self._wait < self.delay or not self.error_after:
            self._raise(error)
        for number, chunk in enumerate(in_chunks(self._message(messages, stop, options))):
            if number == self.error_after:
                self._raise(error)
            yield chunk

    def _message(
        self, messages: list[BaseMessage], stop: list[str] | None, options: dict[str, Any]
    ) -> AIMessage:
        model = options.get("model") or self.model
        said = self._said(messages, model)
        reply = said if isinstance(said, Reply) else self._reply(messages, said, options)
        reply = reply.cut(stop or self.stop or (), options.get("max_tokens", self.max_tokens))
        read = count_tokens_approximately(messages)
        return AIMessage(
            content=reply.text,
            tool_calls=list(reply.tool_calls),
            usage_metadata=UsageMetadata(
                input_tokens=read, output_tokens=reply.tokens, total_tokens=read + reply.tokens
            ),
            response_metadata={
                "model_name": model,
                "model_provider": "fake",
                "finish_reason": reply.finish_reason,
            },
        )

    def _said(self, messages: list[BaseMessage], model: str) -> str | Reply:
        if self.answer is None:
            return reply_in_words(messages, model)
        said = self.answer if isinstance(self.answer, str) else self.answer(messages)
        if isinstance(said, str):
            return said
        reason = said.response_metadata.get("finish_reason")
        calls = tuple(said.tool_calls)
        return Reply(str(said.text), calls, reason or ("tool_calls" if calls else "stop"))

    def _reply(self, messages: list[BaseMessage], text: str, options: dict[str, Any]) -> Reply:
        calls = calls_for(messages, options.get("tools") or (), options.get("tool_choice"))
        if options.get("parallel_tool_calls") is False:
            calls = calls[:1]
        if calls:
            return Reply("", calls, "tool_calls")
        wanted = options.get("response_format")
        return Reply(reply_in_json(messages, wanted, text) if wanted else text)

    # -- what it says about itself ----------------------------------------------------------

    @property
    def _llm_type(self) -> str:
        return "fake-chat-model"

    @property
    def _identifying_params(self) -> Mapping[str, Any]:
        return {"model": self.model, "temperature": self.temperature, "stop": self.stop}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop or self.stop, **kwargs)
        params["ls_provider"] = "fake"
        return params

    def _resolve_model_profile(self) -> ModelProfile:
        return ModelProfile(
            max_input_tokens=128_000,
            max_output_tokens=16_384,
            image_inputs=True,
            image_url_inputs=True,
            tool_calling=True,
            tool_choice=True,
            structured_output=True,
        )


def _result(message: AIMessage) -> ChatResult:
    return ChatResult(generations=[ChatGeneration(message=message)])
