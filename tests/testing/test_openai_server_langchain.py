"""`ChatOpenAI` against the loopback server: what an app sees of each behaviour."""

from collections.abc import Callable, Iterator

import openai
import pytest
from langchain_core.messages import AIMessageChunk
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

from fusion_agents.testing.openai_server import Behaviour, CalledTool, OpenAIServer
from fusion_agents.types import Usage

MakeModel = Callable[..., ChatOpenAI]


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


class Sum(BaseModel):
    """A sum."""

    a: int
    b: int


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as running:
        yield running


@pytest.fixture
def make(server: OpenAIServer) -> Iterator[MakeModel]:
    clients: list[openai.OpenAI] = []

    def made(**options: object) -> ChatOpenAI:
        model = ChatOpenAI(
            model="small",
            base_url=server.base_url,
            api_key="test",  # type: ignore[arg-type]
            **{"max_retries": 0, "timeout": 5, **options},  # type: ignore[arg-type]
        )
        clients.append(model.root_client)
        return model

    yield made
    for client in clients:
        client.close()


def test_a_plain_answer_has_usage(server: OpenAIServer, make: MakeModel) -> None:
    server.script(Behaviour(text="42", usage=Usage(input_tokens=7, output_tokens=1)))
    message = make().invoke("What is 6 times 7?")
    assert message.content == "42"
    assert message.usage_metadata is not None
    assert message.usage_metadata["total_tokens"] == 8
    assert message.response_metadata["finish_reason"] == "stop"


async def test_an_answer_comes_asynchronously(make: MakeModel) -> None:
    model = make()
    assert (await model.ainvoke("Who?")).content == "small was asked: Who?"
    await model.root_async_client.close()


def test_a_stream_sums_up_to_the_answer(server: OpenAIServer, make: MakeModel) -> None:
    server.script(Behaviour(text="six times seven is 42"))
    total = AIMessageChunk("")
    for chunk in make(stream_usage=True).stream("What is 6 times 7?"):
        total += chunk
    assert total.content == "six times seven is 42"
    assert total.usage_metadata is not None
    assert total.response_metadata["finish_reason"] == "stop"


@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_is_called(make: MakeModel, stream: bool) -> None:
    model = make(streaming=stream).bind_tools([add])
    (call,) = model.invoke("add 3 and 4").tool_calls
    assert (call["name"], call["args"]) == ("add", {"a": 3, "b": 4})


def test_a_choice_of_a_tool_that_is_not_there_is_a_bad_request(make: MakeModel) -> None:
    fly = {"type": "function", "function": {"name": "fly"}}
    model = make().bind_tools([add]).bind(tool_choice=fly)
    with pytest.raises(openai.BadRequestError, match="'fly' is not among the bound tools: add"):
        model.invoke("Hello")


def test_broken_arguments_are_an_invalid_call(server: OpenAIServer, make: MakeModel) -> None:
    server.script(Behaviour(text=None, tool_calls=(CalledTool(name="add", args='{"a": '),)))
    message = make().bind_tools([add]).invoke("add 3 and 4")
    assert message.tool_calls == []
    assert message.invalid_tool_calls[0]["args"] == '{"a": '


@pytest.mark.parametrize("method", ["function_calling", "json_schema"])
def test_structured_output_is_given(make: MakeModel, method: str) -> None:
    model = make().with_structured_output(Sum, method=method)  # type: ignore[arg-type]
    assert model.invoke("Sum of 3 and 4") == Sum(a=3, b=4)


def test_json_mode_takes_a_scripted_object(server: OpenAIServer, make: MakeModel) -> None:
    server.script(Behaviour(text='{"a": 3, "b": 4}'))
    assert make().with_structured_output(Sum, method="json_mode").invoke("JSON!") == Sum(a=3, b=4)


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        (Behaviour(status=429, retry_after="1"), openai.RateLimitError),
        (Behaviour(status=500), openai.InternalServerError),
        (Behaviour(status=401, echo_key=True), openai.AuthenticationError),
        (Behaviour(reset=True), openai.APIConnectionError),
        (Behaviour(hang=True), openai.APITimeoutError),
        (Behaviour(cut_after=0), openai.APIConnectionError),
    ],
)
def test_faults_reach_the_app(
    server: OpenAIServer, make: MakeModel, behaviour: Behaviour, error: type[Exception]
) -> None:
    server.script(behaviour)
    with pytest.raises(error):
        make(timeout=0.2).invoke("Who?")


def test_a_cut_stream_raises_after_what_came(server: OpenAIServer, make: MakeModel) -> None:
    server.script(Behaviour(text="a b c d", cut_after=2))
    heard = []
    stream = make().stream("Who?")
    with pytest.raises(openai.APIConnectionError):  # noqa: PT012
        for chunk in stream:
            heard.append(chunk.content)
    assert heard == ["", "a", " b"]


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [(Behaviour(body="<html></html>"), ValueError), (Behaviour(empty_choices=True), IndexError)],
)
def test_answers_that_are_none_raise_what_says_little(
    server: OpenAIServer, make: MakeModel, behaviour: Behaviour, error: type[Exception]
) -> None:
    server.script(behaviour)
    with pytest.raises(error, match=r"Unexpected response type|list index out of range"):
        make().invoke("Who?")


def test_a_null_text_is_an_empty_message(server: OpenAIServer, make: MakeModel) -> None:
    server.script(Behaviour(text=None))
    assert make().invoke("Who?").content == ""
