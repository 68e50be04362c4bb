"""Answers in pieces: what is passed on, what is held back, and how a stream ends."""

import asyncio
import time
from typing import Any

import pytest
from langchain_core.messages import AIMessageChunk
from langchain_core.messages.ai import UsageMetadata

from fusion_agents.answering.answerer import Answerer
from fusion_agents.answering.exchange import Gate
from fusion_agents.answering.nouns import Answer
from fusion_agents.answering.policy import AnswerPolicy
from fusion_agents.errors import AnswerError
from fusion_agents.pool.pool import Pool
from fusion_agents.testing.fake_chat import FakeChatModel
from fusion_agents.testing.openai_server import Behaviour, CalledTool, OpenAIServer
from tests.answering.asking import Way, ask, call_of
from tests.answering.conftest import MakePool
from tests.answering.waiting import until

QUICK = AnswerPolicy(first_backoff=0.0, max_backoff=0.0, deadline=20)
both_ways = pytest.mark.parametrize("way", ["stream", "astream"])


@both_ways
async def test_chunks_come_once_each_and_as_they_come(way: Way) -> None:
    model = FakeChatModel(answer="one two three four", chunk_delay=0.05)
    answerer = Answerer(Pool({"a": model}))
    times: list[float] = []
    if way == "stream":
        for _ in answerer.stream(call_of("a")):
            times.append(time.monotonic())
    else:
        async for _ in answerer.astream(call_of("a")):
            times.append(time.monotonic())

    heard = await ask(answerer, way, call_of("a"))

    assert heard.text == "one two three four"
    assert times[-1] - times[0] > 0.1


@both_ways
async def test_a_stream_that_breaks_off_is_not_begun_again(
    way: Way, server: OpenAIServer, pool_of: MakePool
) -> None:
    server.rule = lambda _: Behaviour(text="one two three four five six", cut_after=3, reset=True)
    answerer = Answerer(pool_of("a", "b"), QUICK)
    chunks: list[Any] = []

    async def hear() -> None:
        if way == "stream":
            chunks.extend(answerer.stream(call_of("a", "b")))
        else:
            async for chunk in answerer.astream(call_of("a", "b")):
                chunks.append(chunk)

    with pytest.raises(AnswerError, match="answer of a@direct broke off: connection") as caught:
        await hear()

    assert server.hits == len(caught.value.attempts) == 1


@both_ways
async def test_a_stream_that_ends_without_saying_why_is_not_taken_for_whole(
    way: Way, server: OpenAIServer, pool_of: MakePool
) -> None:
    chunk = '{"id":"1","object":"chat.completion.chunk","created":1,"model":"a","choices":'
    chunk += '[{"index":0,"delta":{"role":"assistant","content":"The answer"}}]}'
    server.rule = lambda _: Behaviour(
        body=f"data: {chunk}\n\ndata: [DONE]\n\n", content_type="text/event-stream"
    )

    with pytest.raises(AnswerError, match="in the middle of the answer"):
        await ask(Answerer(pool_of("a"), QUICK), way, call_of("a"))


@both_ways
async def test_an_error_within_a_stream_before_its_first_word_falls_back(
    way: Way, server: OpenAIServer, pool_of: MakePool
) -> None:
    broken = Behaviour(error_after=0, message="overloaded")
    server.rule = lambda request: broken if request.model == "a" else None

    heard = await ask(Answerer(pool_of("a", "b"), QUICK), way, call_of("a", "b"))

    assert heard.answer.arm.model == "b"
    assert heard.text == heard.answer.message.text


@both_ways
async def test_a_tool_call_is_passed_on(way: Way, server: OpenAIServer, pool_of: MakePool) -> None:
    server.script(Behaviour(text=None, tool_calls=(CalledTool(name="add", args={"a": 1}),)))

    heard = await ask(Answerer(pool_of("a"), QUICK), way, call_of("a"))

    assert heard.answer.message.tool_calls[0]["args"] == {"a": 1}
    total = heard.chunks[0]
    for chunk in heard.chunks[1:]:
        total = total + chunk
    assert total.tool_calls == heard.answer.message.tool_calls


async def test_leaving_a_stream_closes_it(server: OpenAIServer, pool_of: MakePool) -> None:
    server.rule = lambda _: Behaviour(text="word " * 500, drip=0.02)
    answerer = Answerer(pool_of("a"))
    chunks = answerer.stream(call_of("a"))
    next(chunks)

    chunks.close()

    await until(lambda: server.closed_early == 1)


async def test_leaving_an_asynchronous_stream_closes_it(
    server: OpenAIServer, pool_of: MakePool
) -> None:
    server.rule = lambda _: Behaviour(text="word " * 500, drip=0.02)
    answerer = Answerer(pool_of("a"))
    chunks = answerer.astream(call_of("a"))
    await anext(chunks)

    await chunks.aclose()

    await until(lambda: server.closed_early == 1)


@both_ways
async def test_the_time_a_reader_takes_is_not_the_models(way: Way) -> None:
    answerer = Answerer(
        Pool({"a": FakeChatModel(answer="one two three")}), AnswerPolicy(deadline=0.4)
    )
    heard: list[AIMessageChunk | Answer] = []
    if way == "stream":
        for chunk in answerer.stream(call_of("a")):
            heard.append(chunk)
            time.sleep(0.2)  # noqa: ASYNC251  a reader that takes its time
    else:
        async for piece in answerer.astream(call_of("a")):
            heard.append(piece)
            await asyncio.sleep(0.2)

    assert len(heard) >= 3


async def test_a_long_stream_may_take_longer_than_one_attempt() -> None:
    model = FakeChatModel(answer="one two three four five", chunk_delay=0.1)
    answerer = Answerer(Pool({"a": model}), AnswerPolicy(attempt_timeout=0.25))

    heard = await ask(answerer, "astream", call_of("a"))

    assert heard.text == "one two three four five"


async def test_a_model_that_cannot_stream_gives_one_chunk() -> None:
    model = FakeChatModel(answer="one two three", disable_streaming=True)

    heard = await ask(Answerer(Pool({"a": model})), "stream", call_of("a"))

    assert [chunk.content for chunk in heard.chunks] == ["one two three"]
    assert heard.answer.message.usage_metadata == heard.chunks[0].usage_metadata


def usage(tokens: int) -> UsageMetadata:
    return UsageMetadata(input_tokens=tokens, output_tokens=tokens, total_tokens=2 * tokens)


@pytest.mark.parametrize(
    "first",
    [
        AIMessageChunk("word"),
        AIMessageChunk([{"type": "reasoning", "reasoning": "hm"}]),
        AIMessageChunk([{"type": "image", "url": "http://localhost/1.png"}]),
        AIMessageChunk("", additional_kwargs={"reasoning_content": "hm"}),
        AIMessageChunk("", tool_call_chunks=[{"name": "add", "args": "", "id": "1", "index": 0}]),
    ],
)
def test_a_gate_opens_with_the_first_chunk_that_says_something(first: AIMessageChunk) -> None:
    gate = Gate(usage(7))
    blank = AIMessageChunk("", usage_metadata=usage(1))

    assert gate.feed(blank) == []
    assert gate.feed(AIMessageChunk([])) == []
    assert not gate.is_open
    released = gate.feed(first)

    assert gate.is_open
    assert len(released) == 3
    assert released[0].usage_metadata == usage(8)
    assert blank.usage_metadata == usage(1)
    assert gate.feed(blank) == [blank]
    assert gate.message is not None
    assert gate.message.usage_metadata == usage(2)


def test_a_gate_refuses_what_is_no_message() -> None:
    with pytest.raises(TypeError, match="a str in place of a message"):
        Gate(None).feed("word")
