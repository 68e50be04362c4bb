"""The middleware with the real client of OpenAI."""

from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.messages import AIMessage, ToolMessage
from langchain_openai import ChatOpenAI

from fusion_agents.testing.openai_server import Behaviour, CalledTool, OpenAIServer
from tests.middleware.agents import agent, ask, authors, router, weather


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as made:
        yield made


def models(server: OpenAIServer) -> dict[str, Any]:
    return {
        name: ChatOpenAI(model=name, base_url=server.base_url, api_key="test", stream_usage=True)
        for name in ("small", "large")
    }


async def test_a_tool_loop_runs_with_one_model(server: OpenAIServer) -> None:
    made = agent(router(models(server)), tools=[weather])
    for use_async in (False, True):
        server.script(
            Behaviour(tool_calls=(CalledTool(name="weather", args={"city": "Rome"}),)),
            Behaviour(text="Sunny."),
        )
        asked = ask("the weather, large")
        result = await made.ainvoke(asked) if use_async else made.invoke(asked)
        assert [type(message) for message in result["messages"][1:]] == [
            AIMessage,
            ToolMessage,
            AIMessage,
        ]
        assert authors(result) == ["large", "large"]
    assert {request.model for request in server.requests} == {"large"}


async def test_a_broken_server_is_left_after_one_round_of_attempts(server: OpenAIServer) -> None:
    server.rule = lambda request: Behaviour(
        status=500 if request.model == "small" else 200, text="Ok"
    )
    made = agent(router(models(server)))
    for result in (made.invoke(ask("small")), await made.ainvoke(ask("small"))):
        assert authors(result) == ["large"]
    kept = made.invoke(ask("small"))["fusion_route"]
    assert kept["answered_by"] == "large@direct"


def test_tokens_and_usage_come_once(server: OpenAIServer) -> None:
    server.rule = lambda _: Behaviour(text="one two three")
    made = agent(router(models(server)))
    chunks = [chunk for chunk, _ in made.stream(ask("large"), stream_mode="messages")]
    assert "".join(str(chunk.text) for chunk in chunks) == "one two three"
    assert len([chunk for chunk in chunks if chunk.usage_metadata]) == 1


def test_a_stream_that_is_cut_is_begun_anew_under_another_id(server: OpenAIServer) -> None:
    server.script(
        Behaviour(text="one two three four", cut_after=2), Behaviour(text="five six seven")
    )
    made = agent(router(models(server)))
    texts: dict[str, str] = {}
    result: Any = None
    for mode, item in made.stream(ask("large"), stream_mode=["messages", "values"]):
        if mode == "values":
            result = item
        else:
            texts[item[0].id] = texts.get(item[0].id, "") + str(item[0].text)
    last = result["messages"][-1]
    assert last.text == texts[last.id] == "five six seven"
    assert len(texts) == 2
