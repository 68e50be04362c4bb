"""LangChain's protocol of content blocks (`stream_events(version="v3")`) made from chunks."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing

from langchain_core.language_models._compat_bridge import achunks_to_events, chunks_to_events
from langchain_core.language_models.chat_model_stream import (
    AsyncChatModelStream,
    ChatModelStream,
)
from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk


def event_stream(chunks: Iterator[AIMessageChunk]) -> ChatModelStream:
    """Give chunks as events; they are asked for as the events are."""
    stream = ChatModelStream()
    events = chunks_to_events(ChatGenerationChunk(message=chunk) for chunk in chunks)

    def pump() -> bool:
        try:
            event = next(events)
        except StopIteration:
            if not stream.done:
                stream.fail(ValueError("there were no chunks"))
            return False
        except BaseException as error:  # noqa: BLE001  it is raised where the stream is read
            stream.fail(error)
            return False
        stream.dispatch(event)
        return True

    stream.bind_pump(pump)
    return stream


def async_event_stream(chunks: AsyncIterator[AIMessageChunk]) -> AsyncChatModelStream:
    """Give chunks as events; a task asks for them once the first event is wanted."""
    stream = AsyncChatModelStream()

    async def produce() -> None:
        try:
            async with aclosing(_generations(chunks)) as generations:
                async for event in achunks_to_events(generations):
                    stream.dispatch(event)
            if not stream.done:
                stream.fail(ValueError("there were no chunks"))
        except asyncio.CancelledError as error:
            stream.fail(error)
            raise
        except BaseException as error:  # noqa: BLE001  it is raised where the stream is read
            stream.fail(error)

    async def start() -> None:
        if stream._producer_task is None:
            stream._producer_task = asyncio.get_running_loop().create_task(produce())

    stream.set_start(start)
    return stream


async def _generations(
    chunks: AsyncIterator[AIMessageChunk],
) -> AsyncGenerator[ChatGenerationChunk, None]:
    async for chunk in chunks:
        yield ChatGenerationChunk(message=chunk)
