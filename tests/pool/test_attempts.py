from collections.abc import Iterator
from typing import Any

import openai
import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.outputs import ChatResult
from langchain_ollama import ChatOllama
from langchain_openai import ChatOpenAI
from pydantic import PrivateAttr

from fusion_agents.pool import Pool
from fusion_agents.pool.attempts import single_attempt
from fusion_agents.testing.fake_chat import FakeChatModel
from fusion_agents.testing.openai_server import Behaviour, OpenAIServer


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer(lambda request: Behaviour(status=500, retry_after_ms=1)) as running:
        yield running


class Wrapper(BaseChatModel):
    inner: BaseChatModel

    @property
    def _llm_type(self) -> str:
        return "wrapper"

    def _generate(self, messages: Any, *args: Any, **options: Any) -> ChatResult:
        return self.inner._generate(messages, *args, **options)


class Private(FakeChatModel):
    _client: Any = PrivateAttr()

    def __init__(self, client: Any, **options: Any) -> None:
        super().__init__(**options)
        self._client = client


def model_of(server: OpenAIServer, **options: Any) -> ChatOpenAI:
    return ChatOpenAI(model="m", base_url=server.base_url, api_key="sk-test-0123", **options)


async def test_a_failed_call_is_sent_once(server: OpenAIServer) -> None:
    model = Pool({"m": model_of(server)}).chat_model("m")
    with pytest.raises(openai.InternalServerError):
        model.invoke("Hello")
    assert server.hits == 1
    with pytest.raises(openai.InternalServerError):
        await model.ainvoke("Hello")
    assert server.hits == 2
    with pytest.raises(openai.InternalServerError):
        list(model.stream("Hello"))
    assert server.hits == 3


def test_a_failed_call_of_a_string_is_sent_once(server: OpenAIServer) -> None:
    model = Pool({"m": {"model": "m", "base_url": server.base_url}}).chat_model("m")
    with pytest.raises(openai.InternalServerError):
        model.invoke("Hello")
    assert server.hits == 1


def test_structured_output_and_the_responses_interface_are_sent_once_too(
    server: OpenAIServer,
) -> None:
    model = Pool({"m": model_of(server)}).chat_model("m")
    schema = {"title": "Answer", "type": "object", "properties": {"n": {"type": "integer"}}}
    with pytest.raises(openai.InternalServerError):
        model.with_structured_output(schema, method="json_schema").invoke("Hello")
    assert server.hits == 1
    assert model.root_client.max_retries == 0  # type: ignore[attr-defined]


def test_the_callers_model_goes_on_retrying(server: OpenAIServer) -> None:
    mine = model_of(server, max_retries=2)
    clients = (mine.client, mine.async_client, mine.root_client, mine.root_async_client)
    Pool({"m": mine}).chat_model("m")
    assert (mine.client, mine.async_client, mine.root_client, mine.root_async_client) == clients
    assert mine.max_retries == 2
    with pytest.raises(openai.InternalServerError):
        mine.invoke("Hello")
    assert server.hits == 3


def test_connections_are_shared_with_the_callers_model(server: OpenAIServer) -> None:
    mine = model_of(server)
    once = single_attempt(mine)
    assert isinstance(once, ChatOpenAI)
    assert once.root_client._client is mine.root_client._client


def test_a_client_that_the_caller_made_is_copied(server: OpenAIServer) -> None:
    client = openai.OpenAI(base_url=server.base_url, api_key="sk-test-0123", max_retries=4)
    mine = model_of(server, client=client.chat.completions)
    with pytest.raises(openai.InternalServerError):
        single_attempt(mine).invoke("Hello")
    assert server.hits == 1
    assert client.max_retries == 4


def test_a_model_within_a_model_is_asked_once_too(server: OpenAIServer) -> None:
    with pytest.raises(openai.InternalServerError):
        single_attempt(Wrapper(inner=model_of(server))).invoke("Hello")
    assert server.hits == 1


def test_a_client_that_a_model_keeps_to_itself_is_copied(server: OpenAIServer) -> None:
    client = openai.OpenAI(base_url=server.base_url, api_key="sk-test-0123", max_retries=4)
    mine = Private(client, max_retries=0)
    once = single_attempt(mine)
    assert isinstance(once, Private)
    assert (once._client.max_retries, mine._client.max_retries) == (0, 4)
    assert mine._client is client


def test_a_model_that_does_not_retry_is_left_alone() -> None:
    for model in (ChatOllama(model="m"), FakeChatModel(max_retries=0)):
        assert single_attempt(model) is model


def test_calls_of_a_copy_are_counted_with_the_original() -> None:
    mine = FakeChatModel()
    Pool({"m": mine}).chat_model("m").invoke("Hello")
    assert mine.calls == 1
    assert mine.max_retries == 2
