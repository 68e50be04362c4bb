"""Cutting a whole message into the chunks in which a provider would stream it."""

import json
import re
from collections.abc import Iterator

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk

_WORD = re.compile(r"\s*\S+|\s+$")
_ARGUMENTS = re.compile(r".{1,12}", re.DOTALL)


def in_chunks(message: AIMessage) -> Iterator[ChatGenerationChunk]:
    """Yield a message word by word; the last chunk is empty and holds usage and metadata.

    Tool calls come after the text: first the name, then the arguments in pieces.
    """
    text = str(message.text)
    for word in _WORD.findall(text):
        yield ChatGenerationChunk(message=AIMessageChunk(content=word))
    for index, call in enumerate(message.tool_calls, start=1 if text else 0):
        named = tool_call_chunk(name=call["name"], args="", id=call["id"], index=index)
        yield ChatGenerationChunk(message=AIMessageChunk(content="", tool_call_chunks=[named]))
        for piece in _ARGUMENTS.findall(json.dumps(call["args"], ensure_ascii=False)):
            part = tool_call_chunk(args=piece, index=index)
            yield ChatGenerationChunk(message=AIMessageChunk(content="", tool_call_chunks=[part]))
    yield ChatGenerationChunk(
        message=AIMessageChunk(
            content="",
            usage_metadata=message.usage_metadata,
            response_metadata=message.response_metadata,
            chunk_position="last",
        )
    )
