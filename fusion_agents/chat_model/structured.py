"""Structured output of whichever model is chosen."""

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from typing import Any, cast

from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessageChunk
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.utils import AddableDict, ConfigurableFieldSpec
from langchain_core.utils.json import parse_partial_json
from langchain_core.utils.pydantic import is_basemodel_subclass
from pydantic import BaseModel, ValidationError

from fusion_agents.answering.nouns import Answer
from fusion_agents.chat_model.asking import Asking, chosen_model, without_tools
from fusion_agents.errors import AnswerError
from fusion_agents.steps.configuring import extended


class StructuredFusion(Runnable[LanguageModelInput, Any]):
    """What `ChatFusion.with_structured_output` gives.

    A reply that does not fit the schema is a failed attempt: the model is asked again, then the
    next arm. If none fits, an `AnswerError` says what was wrong with each; with `include_raw` (but
    not in a stream) it is the `parsing_error`, beside the last reply as `raw`.

    Args:
        asking: Asks with the schema bound.
        include_raw: Give a dict of `raw`, `parsed` and `parsing_error`.
    """

    def __init__(self, asking: Asking, *, include_raw: bool = False) -> None:
        self.asking = asking
        self.include_raw = include_raw
        self.name = "StructuredFusion"

    @property
    def config_specs(self) -> list[ConfigurableFieldSpec]:
        """What a call may choose."""
        return self.asking.chain.config_specs

    @property
    def InputType(self) -> Any:  # noqa: N802  LangChain's name
        """As of a chat model."""
        return LanguageModelInput

    @property
    def OutputType(self) -> Any:  # noqa: N802  LangChain's name
        """The schema, where that is a type."""
        schema = self.asking.bindings.schema
        return dict if self.include_raw or not isinstance(schema, type) else schema

    def joined(self, options: Mapping[str, Any], config: RunnableConfig) -> "StructuredFusion":
        """The same with further options of the call and config; tools have no place in it."""
        asking = self._with(without_tools(options))
        asking = Asking(asking.chain, asking.bindings, extended(asking.extra, config, own=False))
        return StructuredFusion(asking, include_raw=self.include_raw)

    def invoke(
        self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any
    ) -> Any:
        """Answer; further arguments go to the chosen model.

        Raises:
            AnswerError: If no arm gives what the schema wants.
        """
        try:
            return self._given(self._with(kwargs).invoke(input, config))
        except AnswerError as error:
            return self._given(error)

    async def ainvoke(
        self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any
    ) -> Any:
        """Answer, in an event loop."""
        try:
            return self._given(await self._with(kwargs).ainvoke(input, config))
        except AnswerError as error:
            return self._given(error)

    def batch(
        self,
        inputs: list[LanguageModelInput],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[Any]:
        """Answer many; their queries are routed together."""
        answers = self._with(kwargs).batch(
            inputs, config, return_exceptions=return_exceptions or self.include_raw
        )
        return [self._given(answer, return_exceptions) for answer in answers]

    async def abatch(
        self,
        inputs: list[LanguageModelInput],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[Any]:
        """Answer many, in an event loop; their queries are routed together."""
        answers = await self._with(kwargs).abatch(
            inputs, config, return_exceptions=return_exceptions or self.include_raw
        )
        return [self._given(answer, return_exceptions) for answer in answers]

    def stream(
        self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any
    ) -> Iterator[Any]:
        """Answer with ever more of what the schema wants; with `include_raw`, in parts of it."""
        growing = Growing(self.asking.bindings.schema)
        answers: list[Answer] = []
        for chunk in self._with(kwargs).chunks(input, config, answers):
            yield from self._passed(chunk, growing)
        yield from self._rest(answers[0], growing)

    async def astream(
        self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Any]:
        """The same in an event loop."""
        growing = Growing(self.asking.bindings.schema)
        answers: list[Answer] = []
        async for chunk in self._with(kwargs).achunks(input, config, answers):
            for part in self._passed(chunk, growing):
                yield part
        for part in self._rest(answers[0], growing):
            yield part

    def _with(self, options: Mapping[str, Any]) -> Asking:
        asking = self.asking
        if not options:
            return asking
        call = {**options}
        model = call.pop("model", None)
        bindings = replace(asking.bindings, options={**asking.bindings.options, **call})
        extra = extended(asking.extra, chosen_model(asking.chain, model), own=False)
        return Asking(asking.chain, bindings, extra)

    def _given(self, answer: Answer | BaseException, return_exceptions: bool = False) -> Any:
        if isinstance(answer, Answer):
            raw = {"raw": answer.message, "parsed": answer.parsed, "parsing_error": None}
            return raw if self.include_raw else answer.parsed
        if self.include_raw and isinstance(answer, AnswerError) and answer.rejected is not None:
            return {"raw": answer.rejected, "parsed": None, "parsing_error": answer}
        if return_exceptions:
            return answer
        raise answer

    def _passed(self, chunk: AIMessageChunk, growing: "Growing") -> Iterator[Any]:
        if self.include_raw:
            yield AddableDict(raw=chunk)
        else:
            yield from growing.feed(chunk)

    def _rest(self, answer: Answer, growing: "Growing") -> Iterator[Any]:
        if self.include_raw:
            yield AddableDict(parsed=answer.parsed, parsing_error=None)
        elif growing.last != answer.parsed:
            yield answer.parsed


class Growing:
    """What the chunks so far say, wherever it is more than before and fits the schema."""

    def __init__(self, schema: Any) -> None:
        self.last: Any = None
        self._model = cast(
            "type[BaseModel] | None",
            schema if isinstance(schema, type) and is_basemodel_subclass(schema) else None,
        )
        self._whole: AIMessageChunk | None = None

    def feed(self, chunk: AIMessageChunk) -> Iterator[Any]:
        """Take the next chunk."""
        self._whole = chunk if self._whole is None else self._whole + chunk
        found = self._checked(_fields(self._whole))
        if found is not None and found != self.last:
            self.last = found
            yield found

    def _checked(self, found: Any) -> Any:
        if self._model is None or found is None:
            return found
        try:
            return self._model.model_validate(found)
        except (ValidationError, AttributeError):
            return None


def _fields(message: AIMessageChunk) -> dict[str, Any] | None:
    """The fields so far: of the first tool call, or of a text that is JSON."""
    if message.tool_calls:
        return dict(message.tool_calls[0]["args"])
    text = str(message.text).lstrip()
    if not text.startswith("{"):
        return None
    try:
        found = parse_partial_json(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
