"""One request to one model, and what comes back."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata, add_ai_message_chunks, add_usage
from langchain_core.messages.utils import message_chunk_to_message
from langchain_core.runnables import RunnableConfig

from fusion_agents.answering.bindings import Bound
from fusion_agents.answering.faults import Fault
from fusion_agents.answering.replies import judge, judge_parsed, judge_stream, says_something

_UNSEEN = RunnableConfig(callbacks=[])
"""Parsing is no run of its own."""


class Reply(NamedTuple):
    """What a model gave."""

    message: AIMessage | None
    parsed: Any = None
    fault: Fault | None = None
    """Why it is no answer."""
    template_ids: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Request:
    """What is sent."""

    bound: Bound
    messages: list[BaseMessage]
    template_ids: tuple[str, ...]
    config: RunnableConfig
    timeout: float
    """Seconds after which whoever waits will have gone."""

    def invoke(self) -> Reply:
        """Send it."""
        arguments = self.bound.arguments(self.timeout)
        given = self.bound.model.invoke(self.messages, self.config, **arguments)
        return self._whole(given) if self.bound.whole else self._read(given, judge(given))

    async def ainvoke(self) -> Reply:
        """Send it; giving up closes the connection."""
        given = await self.bound.model.ainvoke(self.messages, self.config, **self.bound.options)
        return self._whole(given) if self.bound.whole else await self._aread(given, judge(given))

    def stream(self, gate: "Gate") -> Iterator[AIMessageChunk | Reply]:
        """Send it, for the answer in pieces; the last item is the whole."""
        if self.bound.whole:
            reply = self.invoke()
            yield from gate.feed(reply.message)
            yield reply
            return
        arguments = self.bound.arguments(self.timeout)
        chunks = self.bound.model.stream(self.messages, self.config, **arguments)
        with _closed(chunks):
            for chunk in chunks:
                yield from gate.feed(chunk)
        message = gate.message
        yield self._read(message, judge_stream(message))

    async def astream(self, gate: "Gate") -> AsyncIterator[AIMessageChunk | Reply]:
        """Send it, for the answer in pieces; the last item is the whole."""
        if self.bound.whole:
            reply = await self.ainvoke()
            for piece in gate.feed(reply.message):
                yield piece
            yield reply
            return
        chunks = self.bound.model.astream(self.messages, self.config, **self.bound.options)
        async with _aclosed(chunks):
            async for chunk in chunks:
                for piece in gate.feed(chunk):
                    yield piece
        message = gate.message
        yield await self._aread(message, judge_stream(message))

    def _read(self, message: AIMessage | None, fault: Fault | None) -> Reply:
        if fault is not None or self.bound.parser is None:
            return Reply(message, None, fault, self.template_ids)
        return self._parsed(message, self.bound.parser.invoke({"raw": message}, _UNSEEN))

    async def _aread(self, message: AIMessage | None, fault: Fault | None) -> Reply:
        if fault is not None or self.bound.parser is None:
            return Reply(message, None, fault, self.template_ids)
        return self._parsed(message, await self.bound.parser.ainvoke({"raw": message}, _UNSEEN))

    def _whole(self, given: Any) -> Reply:
        message = given["raw"]
        fault = judge(message)
        return Reply(message, None, fault) if fault else self._parsed(message, given)

    def _parsed(self, message: AIMessage | None, given: Any) -> Reply:
        parsed, error = given.get("parsed"), given.get("parsing_error")
        calls = self.bound.may_call_tools and message is not None and message.tool_calls
        fault = None if calls and error is None else judge_parsed(parsed, error)
        return Reply(message, parsed, fault, self.template_ids)


class Gate:
    """What of a stream may be passed on: nothing before the first chunk that says something.

    So an answer that never begins can still be had from another arm.
    """

    def __init__(self, earlier: UsageMetadata | None) -> None:
        self.is_open = False
        self._earlier = earlier
        self._chunks: list[AIMessageChunk] = []

    def feed(self, message: object) -> list[AIMessageChunk]:
        """Take the next chunk; give those that may be passed on now.

        The first one also carries what earlier attempts used, so that the sum of what is passed
        on has the usage of all.
        """
        chunk = _chunk(message)
        self._chunks.append(chunk)
        if self.is_open:
            return [chunk]
        if not says_something(chunk):
            return []
        self.is_open = True
        released = list(self._chunks)
        if self._earlier is not None:
            usage = add_usage(self._earlier, released[0].usage_metadata)
            released[0] = released[0].model_copy(update={"usage_metadata": usage})
        return released

    @property
    def message(self) -> AIMessage | None:
        """All chunks together, without what earlier attempts used."""
        if not self._chunks:
            return None
        whole = message_chunk_to_message(add_ai_message_chunks(*self._chunks))
        assert isinstance(whole, AIMessage)
        return whole


@contextmanager
def _closed(chunks: Iterator[Any]) -> Iterator[None]:
    """Close a stream at once, also one that is no generator and need not be closed."""
    try:
        yield
    finally:
        close = getattr(chunks, "close", None)
        if close is not None:
            close()


@asynccontextmanager
async def _aclosed(chunks: AsyncIterator[Any]) -> AsyncIterator[None]:
    try:
        yield
    finally:
        close = getattr(chunks, "aclose", None)
        if close is not None:
            await close()


def _chunk(message: object) -> AIMessageChunk:
    if isinstance(message, AIMessageChunk):
        return message
    if isinstance(message, AIMessage):
        return AIMessageChunk(**message.model_dump(exclude={"type"}), chunk_position="last")
    raise TypeError(f"a {type(message).__name__} in place of a message")
