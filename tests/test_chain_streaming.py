"""The chain in chunks: each token once, by every road, and the evidence with the last one."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langgraph.graph import START, MessagesState, StateGraph

from fusion_agents.chain import FusionRouterChain
from fusion_agents.errors import AnswerError, DataError
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.testing.fake_chat import FakeChatModel
from tests.chain_cases import KING, SUM, make_chain, models, write_log
from tests.chat_model.conftest import Runs

WORDS = ["one", " two", " three"]


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RoutingLog]:
    folder: Path = tmp_path_factory.mktemp("log")
    with write_log(folder / "log.db") as opened:
        yield opened


@pytest.fixture
def chain(log: RoutingLog) -> FusionRouterChain:
    return make_chain(log, models=models(historian=FakeChatModel(answer="one two three")))


def texts(chunks: Any) -> list[str]:
    return [str(chunk.text) for chunk in chunks if chunk.text]


def whole(chunks: list[Any]) -> Any:
    return sum(chunks[1:], chunks[0])


async def test_each_token_comes_once_and_the_evidence_last(chain: FusionRouterChain) -> None:
    sync = list(chain.stream(KING))
    found = [chunk async for chunk in chain.astream(KING)]

    for chunks in (sync, found):
        assert texts(chunks) == WORDS
        assert all(isinstance(chunk, AIMessageChunk) for chunk in chunks)
        assert [("fusion" in chunk.response_metadata) for chunk in chunks].count(True) == 1
        assert chunks[-1].response_metadata["fusion"]["answered_by"] == "historian@direct"
        assert chunks[-1].chunk_position == "last"
        assert len({chunk.id for chunk in chunks}) == 1
        assert whole(chunks).usage_metadata == chain.invoke(KING).usage_metadata


def test_tokens_come_as_the_model_gives_them(log: RoutingLog) -> None:
    slow = FakeChatModel(answer="one two three", chunk_delay=0.05)
    stream = make_chain(log, models=models(historian=slow)).stream(KING)

    first = next(stream)

    assert first.content == "one"
    stream.close()  # type: ignore[attr-defined]


async def test_events_tell_each_token_once_and_lose_none(chain: FusionRouterChain) -> None:
    events = [event async for event in chain.astream_events(KING, version="v2")]

    names = [event["event"] for event in events]
    by_model = [e["data"]["chunk"] for e in events if e["event"] == "on_chat_model_stream"]
    by_chain = [e["data"]["chunk"] for e in events if e["event"] == "on_chain_stream"]
    assert texts(by_model) == texts(by_chain) == WORDS
    assert names[0] == "on_chain_start"
    assert names[-1] == "on_chain_end"
    assert names.count("on_chat_model_start") == names.count("on_chat_model_end") == 1
    assert "route:historian@direct" in events[0]["tags"]
    assert events[-1]["data"]["output"].content == "one two three"


async def test_a_failing_first_arm_shows_no_token_of_its_own(log: RoutingLog) -> None:
    runs = Runs()
    failing = FakeChatModel(error=ConnectionError("refused"))
    chain = make_chain(log, models=models(historian=failing))

    assert texts(chain.stream(KING, {"callbacks": [runs]})) == ["42"]
    assert texts([c async for c in chain.astream(KING, {"callbacks": [runs]})]) == ["42"]

    assert len(runs.roots[0].child_runs) == 2


async def test_a_stream_that_breaks_off_is_an_error(log: RoutingLog) -> None:
    broken = FakeChatModel(answer="one two three", error=ConnectionError("reset"), error_after=2)
    chain = make_chain(log, models=models(historian=broken))
    seen: list[Any] = []

    with pytest.raises(AnswerError, match="broke off"):
        seen.extend(chain.stream(KING))
    with pytest.raises(AnswerError, match="broke off"):
        [_ async for _ in chain.astream(KING)]

    assert texts(seen) == WORDS[:2]


async def test_a_bad_input_is_an_error_in_a_stream(chain: FusionRouterChain) -> None:
    with pytest.raises(DataError):
        list(chain.stream([]))
    with pytest.raises(DataError):
        [_ async for _ in chain.astream({"other": 1})]


async def test_a_reader_may_leave_early(log: RoutingLog) -> None:
    slow = FakeChatModel(answer="word " * 500, chunk_delay=0.01)
    chain = make_chain(log, models=models(historian=slow))

    for _ in chain.stream(KING):
        break
    stream = chain.astream(KING)
    async for _ in stream:
        break
    await stream.aclose()  # type: ignore[attr-defined]

    assert slow.calls == 2


async def test_a_parser_behind_it_streams(chain: FusionRouterChain) -> None:
    piped = RunnableLambda(lambda text: text) | chain | StrOutputParser()

    assert [word for word in piped.stream(KING) if word] == WORDS
    assert [word async for word in piped.astream(KING) if word] == WORDS


def graph_of(chain: FusionRouterChain, *, streams: bool, asynchronous: bool) -> Any:
    def node(state: MessagesState) -> Any:
        asked = state["messages"]
        return {"messages": [whole(list(chain.stream(asked))) if streams else chain.invoke(asked)]}

    async def anode(state: MessagesState, config: RunnableConfig) -> Any:
        asked = state["messages"]
        if not streams:
            return {"messages": [await chain.ainvoke(asked)]}
        return {"messages": [whole([chunk async for chunk in chain.astream(asked)])]}

    graph = StateGraph(MessagesState)
    graph.add_node("answer", anode if asynchronous else node)
    graph.add_edge(START, "answer")
    return graph.compile()


@pytest.mark.parametrize("streams", [False, True])
async def test_nodes_of_a_graph_stream_each_token_once(
    chain: FusionRouterChain, streams: bool
) -> None:
    """On Python 3.11 and later, a task of an event loop keeps the run around it."""
    assert sys.version_info >= (3, 11)
    asked = {"messages": [HumanMessage(KING)]}
    graph = graph_of(chain, streams=streams, asynchronous=False)
    agraph = graph_of(chain, streams=streams, asynchronous=True)

    sync = [chunk for chunk, _ in graph.stream(asked, stream_mode="messages")]
    found = [chunk async for chunk, _ in agraph.astream(asked, stream_mode="messages")]

    assert texts(sync) == texts(found) == WORDS
    (state,) = [s async for s in agraph.astream(asked, stream_mode="updates")]
    answer = state["answer"]["messages"][-1]
    assert isinstance(answer, AIMessage)
    assert answer.content == "one two three"


async def test_events_of_a_graph_tell_each_token_once(chain: FusionRouterChain) -> None:
    graph = graph_of(chain, streams=False, asynchronous=True)

    found = [
        event["data"]["chunk"]
        async for event in graph.astream_events({"messages": [HumanMessage(SUM)]}, version="v2")
        if event["event"] == "on_chat_model_stream"
    ]

    assert texts(found) == ["42"]
