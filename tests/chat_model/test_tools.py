"""Tools and agents: what is bound is given to whichever model is chosen."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langchain_core.callbacks import UsageMetadataCallbackHandler
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langgraph.graph import START, MessagesState, StateGraph
from pydantic import BaseModel

from fusion_agents.errors import RouteError
from fusion_agents.testing.fake_chat import FakeChatModel
from tests.chat_model.conftest import MakeChat


@tool
def weather(city: str) -> str:
    """Say how the weather is."""
    return f"sunny in {city}"


class Population(BaseModel):
    """How many people live somewhere."""

    city: str
    people: int


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


SCHEMA = {"title": "Elevation", "type": "object", "properties": {"city": {"type": "string"}}}


@pytest.mark.parametrize("name", ["weather", "Population", "add", "Elevation"])
def test_tools_come_in_any_form(make_chat: MakeChat, name: str) -> None:
    model = make_chat().bind_tools([weather, Population, add, SCHEMA])

    (call,) = model.invoke(f"please use {name}").tool_calls

    assert call["name"] == name


@pytest.mark.filterwarnings("ignore:This API is in beta")
def test_a_runnable_becomes_a_tool(make_chat: MakeChat) -> None:
    def double_it(value: Population) -> int:
        return 2 * value.people

    runnable = RunnableLambda(double_it)

    for given in (runnable, runnable.as_tool(name="double_it")):
        (call,) = make_chat().bind_tools([given]).invoke("double_it").tool_calls
        assert call["name"] == "double_it"
        assert set(call["args"]) == {"city", "people"}


def test_a_tool_choice_is_passed_on(make_chat: MakeChat) -> None:
    model = make_chat()

    chosen = model.bind_tools([weather, add], tool_choice="add").invoke("Hello")
    none = model.bind_tools([weather], tool_choice="none").invoke("weather")

    assert [call["name"] for call in chosen.tool_calls] == ["add"]
    assert none.tool_calls == []


def test_later_tools_take_the_place_of_earlier_ones_and_options_stay(make_chat: MakeChat) -> None:
    first = FakeChatModel()

    make_chat(first).bind_tools([weather]).bind(temperature=0.1).bind_tools([add]).invoke("Hello")

    options = first.received[-1].options
    assert [t["function"]["name"] for t in options["tools"]] == ["add"]
    assert options["temperature"] == 0.1


def test_models_without_tools_are_left_out(make_chat: MakeChat) -> None:
    unable = FakeChatModel(model="unable", profile={"tool_calling": False})

    answer = make_chat(unable).bind_tools([weather]).invoke("weather")

    assert answer.response_metadata["model_name"] == "second"
    with pytest.raises(RouteError, match="cannot call tools"):
        make_chat(unable, unable).bind_tools([weather]).invoke("weather")


def test_tool_calls_are_streamed(make_chat: MakeChat) -> None:
    whole: AIMessageChunk | None = None
    for chunk in make_chat().bind_tools([weather]).stream("weather"):
        whole = chunk if whole is None else whole + chunk

    assert whole is not None
    assert [call["name"] for call in whole.tool_calls] == ["weather"]


def test_an_agent_calls_tools(make_chat: MakeChat) -> None:
    counted = UsageMetadataCallbackHandler()
    agent = create_agent(model=make_chat(), tools=[weather])

    messages = agent.invoke(
        {"messages": [HumanMessage("weather in Rome?")]}, {"callbacks": [counted]}
    )["messages"]

    assert [message.type for message in messages] == ["human", "ai", "tool", "ai"]
    said = [message.usage_metadata for message in messages if isinstance(message, AIMessage)]
    total = sum(usage["total_tokens"] for usage in said if usage)
    assert counted.usage_metadata["first"]["total_tokens"] == total


async def test_an_agent_streams_each_token_once(make_chat: MakeChat) -> None:
    agent = create_agent(model=make_chat(FakeChatModel(answer="one two three")), tools=[])

    async def words(stream: AsyncIterator[Any]) -> list[str]:
        return [chunk.text async for chunk, _ in stream if chunk.text]

    asked = {"messages": [HumanMessage("Hello")]}
    assert await words(agent.astream(asked, stream_mode="messages")) == ["one", " two", " three"]
    sync = [c.text for c, _ in agent.stream(asked, stream_mode="messages") if c.text]
    assert sync == ["one", " two", " three"]


@pytest.mark.parametrize("strategy", [ToolStrategy, ProviderStrategy, None])
def test_an_agent_answers_in_a_format(make_chat: MakeChat, strategy: Any) -> None:
    wanted = Population if strategy is None else strategy(Population)
    agent = create_agent(model=make_chat(), tools=[weather], response_format=wanted)

    state = agent.invoke({"messages": [HumanMessage("how many?")]})

    assert isinstance(state["structured_response"], Population)


def _graph(make_chat: MakeChat, *, streams: bool, asynchronous: bool) -> Any:
    model = make_chat(FakeChatModel(answer="one two three"))

    def node(state: MessagesState) -> Any:
        if not streams:
            return {"messages": [model.invoke(state["messages"])]}
        chunks = list(model.stream(state["messages"]))
        return {"messages": [sum(chunks[1:], chunks[0])]}

    async def anode(state: MessagesState) -> Any:
        if not streams:
            return {"messages": [await model.ainvoke(state["messages"])]}
        chunks = [chunk async for chunk in model.astream(state["messages"])]
        return {"messages": [sum(chunks[1:], chunks[0])]}

    graph = StateGraph(MessagesState)
    graph.add_node("answer", anode if asynchronous else node)
    graph.add_edge(START, "answer")
    return graph.compile()


@pytest.mark.parametrize("streams", [False, True])
async def test_a_graph_streams_the_tokens_of_its_nodes_once(
    make_chat: MakeChat, streams: bool
) -> None:
    asked = {"messages": [HumanMessage("Hello")]}
    graph = _graph(make_chat, streams=streams, asynchronous=False)
    agraph = _graph(make_chat, streams=streams, asynchronous=True)

    sync = [c.text for c, _ in graph.stream(asked, stream_mode="messages") if c.text]
    found = [c.text async for c, _ in agraph.astream(asked, stream_mode="messages") if c.text]

    assert sync == found == ["one", " two", " three"]


@pytest.mark.filterwarnings("ignore:The v3 streaming protocol")
async def test_a_graphs_events_of_version_3_hold_each_token_once(make_chat: MakeChat) -> None:
    graph = _graph(make_chat, streams=False, asynchronous=True)

    run = await graph.astream_events({"messages": [HumanMessage("Hello")]}, version="v3")
    texts = [[word async for word in message.text] async for message in run.messages]

    assert texts == [["one", " two", " three"]]
