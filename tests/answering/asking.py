"""The four ways of having a call answered, as one."""

from typing import Any, Literal, NamedTuple

from langchain_core.messages import AIMessageChunk, HumanMessage

from fusion_agents.answering.answerer import Answerer
from fusion_agents.answering.nouns import Answer, Call
from fusion_agents.types import Arm, Query

Way = Literal["answer", "aanswer", "stream", "astream"]
WAYS: tuple[Way, ...] = ("answer", "aanswer", "stream", "astream")


def call_of(*arms: str, text: str = "What is 6 * 7?", **further: Any) -> Call:
    """A call of arms by their names."""
    return Call(
        query=Query(text=text),
        messages=[HumanMessage(text)],
        arms=tuple(map(Arm.parse, arms)),
        **further,
    )


class Heard(NamedTuple):
    """What came out."""

    answer: Answer
    chunks: list[AIMessageChunk]

    @property
    def text(self) -> str:
        """Of all chunks."""
        return "".join(str(chunk.text) for chunk in self.chunks)


async def ask(answerer: Answerer, way: Way, call: Call, config: Any = None) -> Heard:
    """Have a call answered, in one of the ways."""
    if way == "answer":
        return Heard(answerer.answer(call, config), [])
    if way == "aanswer":
        return Heard(await answerer.aanswer(call, config), [])
    chunks: list[AIMessageChunk] = []
    if way == "stream":
        pieces = answerer.stream(call, config)
        while True:
            try:
                chunks.append(next(pieces))
            except StopIteration as end:
                return Heard(end.value, chunks)
    items = [item async for item in answerer.astream(call, config)]
    *chunks, answer = items  # type: ignore[assignment]
    assert isinstance(answer, Answer)
    return Heard(answer, chunks)
