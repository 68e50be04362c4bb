import sys
import traceback
from collections.abc import Iterator
from types import ModuleType

import pytest
from langchain_core.messages import HumanMessage
from langchain_ollama import ChatOllama
from langchain_openai import ChatOpenAI

from fusion_agents.errors import ConfigError
from fusion_agents.pool import Pool
from fusion_agents.testing.fake_chat import FakeChatModel
from fusion_agents.testing.openai_server import OpenAIServer
from tests.pool.planted import KEY


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as running:
        yield running


def problem(table: object) -> str:
    """What is said when the model is made, traceback included; it never holds the key."""
    pool = Pool({"small": table})  # type: ignore[dict-item]
    with pytest.raises(ConfigError) as caught:
        pool.chat_model("small")
    whole = "".join(traceback.format_exception(caught.value))
    assert KEY not in whole + repr(caught.value)
    assert caught.value.__context__ is None
    return str(caught.value)


def test_options_are_passed_on(planted: str) -> None:
    pool = Pool({"small": {"model": "openai:gpt-4o", "temperature": 0.5, "max_tokens": 7}})
    made = pool.chat_model("small")
    assert isinstance(made, ChatOpenAI)
    assert (made.temperature, made.max_tokens, made.max_retries) == (0.5, 7, 0)


def test_a_missing_package_is_named() -> None:
    assert "pip install langchain-anthropic" in problem("anthropic:claude-sonnet-4-5")


@pytest.mark.parametrize("spec", ["openai:gpt-5-mini", "gpt-5-mini"])
def test_a_missing_key_is_named(spec: str) -> None:
    assert "set the environment variable OPENAI_API_KEY" in problem(spec)


def test_a_string_without_a_provider_is_explained() -> None:
    assert "'provider:model'" in problem("my-model")


def test_a_missing_variable_of_a_key_is_named() -> None:
    said = problem({"model": "openai:gpt-5", "api_key_env": "EUROPE_KEY"})
    assert "EUROPE_KEY, which is not set" in said
    assert "model 'small'" in said


def test_the_key_is_read_from_the_variable_that_is_named(
    monkeypatch: pytest.MonkeyPatch, planted: str
) -> None:
    monkeypatch.setenv("EUROPE_KEY", "sk-europe-0123456789")
    pool = Pool({"small": {"model": "openai:gpt-5", "api_key_env": "EUROPE_KEY"}})
    pool.chat_model("small")
    assert pool.secrets() == {"sk-europe-0123456789"}


@pytest.mark.filterwarnings("ignore:WARNING! temprature")
def test_an_option_that_the_model_does_not_know_is_refused(planted: str) -> None:
    assert "'temprature'" in problem({"model": "openai:gpt-5", "temprature": 1})
    assert "'temprature'" in problem({"model": "ollama:llama3", "temprature": 1})


def test_what_only_the_provider_knows_goes_into_model_kwargs(planted: str) -> None:
    table = {"model": "openai:gpt-5", "model_kwargs": {"team": "a"}}
    made = Pool({"small": table}).chat_model("small")
    assert made.model_kwargs == {"team": "a"}  # type: ignore[attr-defined]


def test_an_option_of_the_wrong_type_is_refused_without_the_key(planted: str) -> None:
    said = problem({"model": "openai:gpt-4o", "temperature": "hot"})
    assert "temperature" in said
    assert "model 'small'" in said


def test_a_provider_that_repeats_the_key_is_not_repeated(
    planted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Careless(ChatOpenAI):
        def __init__(self, **options: object) -> None:
            raise RuntimeError(f"cannot log in with {KEY}")

    provide(monkeypatch, "langchain_xai", "ChatXAI", Careless)
    assert "cannot log in with ***" in problem("xai:grok-4")


def provide(monkeypatch: pytest.MonkeyPatch, module: str, name: str, made: object) -> None:
    """Install a provider's package."""
    package = ModuleType(module)
    setattr(package, name, made)
    monkeypatch.setitem(sys.modules, module, package)


def test_a_key_that_would_only_be_missed_by_the_first_call_is_missed_now(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    provide(
        monkeypatch, "langchain_together", "ChatTogether", lambda **_: FakeChatModel(api_key="")
    )
    said = problem("together:m")
    assert "set the environment variable TOGETHER_API_KEY" in said


def test_a_package_that_cannot_be_imported_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(**options: object) -> None:
        raise ImportError("this provider needs pillow")

    provide(monkeypatch, "langchain_nvidia_ai_endpoints", "ChatNVIDIA", broken)
    assert "needs pillow" in problem("nvidia:m")


def test_options_that_make_no_single_model_are_refused() -> None:
    table = {"model": "openai:gpt-5", "configurable_fields": ["temperature"]}
    assert "no single chat model" in problem(table)


def test_a_provider_can_be_an_option(server: OpenAIServer) -> None:
    table = {"model": "a:b", "model_provider": "openai", "base_url": server.base_url}
    Pool({"small": table}).chat_model("small").invoke([HumanMessage("Hello")])
    assert server.requests[0].model == "a:b"


def test_a_server_of_another_provider_is_spoken_to_in_its_language() -> None:
    table = {"model": "ollama:llama3:8b", "base_url": "http://127.0.0.1:1"}
    made = Pool({"small": table}).chat_model("small")
    assert isinstance(made, ChatOllama)
    assert (made.model, made.base_url) == ("llama3:8b", "http://127.0.0.1:1")


def test_a_server_gets_no_key_that_is_not_meant_for_it(server: OpenAIServer, planted: str) -> None:
    pool = Pool({"local": {"model": "llama3:8b", "base_url": server.base_url}})
    pool.chat_model("local").invoke([HumanMessage("Hello")])
    assert server.requests[0].model == "llama3:8b"
    assert planted not in str(server.requests[0])
    assert pool.secrets() == frozenset()


def test_a_server_of_a_named_provider_gets_its_key(server: OpenAIServer, planted: str) -> None:
    pool = Pool({"proxy": {"model": "openai:gpt-5", "base_url": server.base_url}})
    pool.chat_model("proxy").invoke([HumanMessage("Hello")])
    assert server.requests[0].model == "gpt-5"
    assert server.requests[0].key == planted


def test_a_server_that_takes_no_key_needs_none(server: OpenAIServer) -> None:
    pool = Pool({"proxy": {"model": "openai:gpt-5", "base_url": server.base_url}})
    assert pool.chat_model("proxy").invoke([HumanMessage("Hello")]).text


def test_a_server_gets_the_key_that_is_named(
    server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCAL_KEY", "sk-local-0123456789")
    table = {"model": "llama3:8b", "base_url": server.base_url, "api_key_env": "LOCAL_KEY"}
    Pool({"local": table}).chat_model("local").invoke([HumanMessage("Hello")])
    assert server.requests[0].key == "sk-local-0123456789"


def test_streams_of_a_server_say_what_they_cost(server: OpenAIServer) -> None:
    pool = Pool({"local": {"model": "llama3:8b", "base_url": server.base_url}})
    chunks = list(pool.chat_model("local").stream([HumanMessage("Hello")]))
    assert any(getattr(chunk, "usage_metadata", None) for chunk in chunks)
