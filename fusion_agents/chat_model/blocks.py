"""Messages whose content is LangChain's standard blocks, as `output_version="v1"` wants them."""

from typing import Any, TypeVar

from langchain_core.messages import AIMessage, AIMessageChunk

M = TypeVar("M", bound=AIMessage)


def in_blocks(message: M) -> M:
    """The same message with standard blocks as its content."""
    metadata = {**message.response_metadata, "output_version": "v1"}
    return message.model_copy(
        update={"content": message.content_blocks, "response_metadata": metadata}
    )


class Blocks:
    """Numbers the blocks of a stream, so that chunks of one block are merged and others not."""

    def __init__(self) -> None:
        self._index = -1
        self._kind = ""

    def number(self, chunk: AIMessageChunk) -> AIMessageChunk:
        """The next chunk in blocks."""
        chunk = in_blocks(chunk)
        content: list[Any] = []
        for block in chunk.content:
            assert isinstance(block, dict)
            if block["type"] != self._kind:
                self._kind = block["type"]
                self._index += 1
            content.append({"index": self._index, **block})
        return chunk.model_copy(update={"content": content})
