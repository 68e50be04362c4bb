import asyncio
import time
from typing import Any, Literal

import pytest
from langchain.agents import create_agent
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from pydantic import BaseModel, ValidationError

from fusion_agents.errors import ConfigError
from fusion_agents.testing.fake_chat import FakeChatModel


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@tool
def search_web(query: str) -> str:
    """Search."""
    return f"found {query}"


class Verdict(BaseModel):
    """What a judge says."""

    arm: Literal["small", "large"]
    score: int


TOOLS = [add, search_web]


def names(message: BaseMessage) -> list[str]:
    assert isinstance(message, AIMessage)
    return [call["name"] for call in message.tool_calls]


# -- words --------------------------------------------------------------------------------------


def test_without_an_answer_it_repeats_what_it_was_asked() -> None:
    assert FakeChatModel(model="small").invoke("Who?").content == "small was asked: Who?"


def test_an_answer_may_be_a_function_of_the_messages() -> None:
    model = FakeChatModel(answer=lambda messages: f"{len(messages)} messages")
    assert model.invoke(["a", "b"]).content == "2 messages"


def test_a_function_may_give_a_whole_message() -> None:
    call = {"name": "add", "args": {"a": 1}, "id": "1", "type": "tool_call"}
    model = FakeChatModel(answer=lambda _: AIMessage("Adding.", tool_calls=[call]))
    message = model.invoke("Hello")
    assert (message.content, names(message)) == ("Adding.", ["add"])
    assert message.response_metadata["finish_reason"] == "tool_calls"


def test_metadata_says_who_answered_and_why_it_ended() -> None:
    message = FakeChatModel(answer="one two three four").invoke("Hello", max_tokens=2, model="x")
    assert message.content == "one two "
    assert message.response_metadata == {
        "model_name": "x",
        "model_provider": "fake",
        "finish_reason": "length",
    }


@pytest.mark.parametrize("options", [{"stop": ["two"]}, {}])
def test_text_ends_before_a_stop_sequence(options: dict[str, Any]) -> None:
    model = FakeChatModel(answer="one two three", stop=None if options else ["two"])
    assert model.invoke("Hello", **options).content == "one "


def test_a_stream_gives_words_and_its_usage_once() -> None:
    model = FakeChatModel(answer="one two three")
    chunks = list(model.stream("Hello"))
    assert [chunk.content for chunk in chunks] == ["one", " two", " three", ""]
    assert [chunk.usage_metadata is not None for chunk in chunks] == [False, False, False, True]
    assert chunks[-1].usage_metadata == model.invoke("Hello").usage_metadata


# -- tools --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "choice", "called"),
    [
        ("Who are you?", None, []),
        ("please add 3 and 4", None, ["add"]),
        ("search for cats", None, ["search_web"]),
        ("add 1 and 2, then use search_web", None, ["add", "search_web"]),
        ("add 1 and 2", "none", []),
        ("Who are you?", "any", ["add"]),
        ("Who are you?", "required", ["add"]),
        ("Who are you?", True, ["add"]),
        ("search for cats", "any", ["search_web"]),
        ("add 1 and 2", "search_web", ["search_web"]),
        ("add 1", {"type": "function", "function": {"name": "search_web"}}, ["search_web"]),
        ("add 1", {"type": "tool", "name": "search_web"}, ["search_web"]),
        ("Who are you?", {"type": "auto"}, []),
    ],
)
def test_tools_are_called_as_asked_and_chosen(query: str, choice: Any, called: list[str]) -> None:
    message = FakeChatModel().bind_tools(TOOLS, tool_choice=choice).invoke(query)
    assert names(message) == called


def test_numbers_and_quoted_texts_of_the_query_become_arguments() -> None:
    model = FakeChatModel().bind_tools(TOOLS)
    message = model.invoke("add 3 and 4, and search_web for 'cats'")
    assert [call["args"] for call in message.tool_calls] == [{"a": 3, "b": 4}, {"query": "cats"}]


def test_calls_may_have_to_come_one_by_one() -> None:
    model = FakeChatModel().bind_tools(TOOLS, parallel_tool_calls=False)
    assert names(model.invoke("add 1 and 2, then use search_web")) == ["add"]


def test_results_are_put_into_words() -> None:
    history = [
        HumanMessage("add 3 and 4"),
        AIMessage("", tool_calls=[{"name": "add", "args": {"a": 3, "b": 4}, "id": "1"}]),
        ToolMessage("7", tool_call_id="1"),
    ]
    assert FakeChatModel().bind_tools(TOOLS).invoke(history).content == "fake was told: 7"


def test_a_choice_of_no_bound_tool_is_refused() -> None:
    with pytest.raises(ConfigError, match="'fly' is not among the bound tools: add, search_web"):
        FakeChatModel().bind_tools(TOOLS, tool_choice="fly")


async def test_an_agent_runs_to_its_end() -> None:
    agent = create_agent(FakeChatModel(), TOOLS)
    state = await agent.ainvoke({"messages": [HumanMessage("add 3 and 4")]})
    assert state["messages"][-1].content == "fake was told: 7"


@pytest.mark.parametrize("strategy", [ToolStrategy, ProviderStrategy])
def test_an_agent_gives_structured_output(strategy: Any) -> None:
    agent = create_agent(FakeChatModel(), [search_web], response_format=strategy(Verdict))
    state = agent.invoke({"messages": [HumanMessage("search, then say: large, 3")]})
    assert state["structured_response"] == Verdict(arm="large", score=3)


# -- structured output --------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["function_calling", "json_mode", "json_schema"])
def test_what_the_query_names_is_chosen(method: str) -> None:
    model = FakeChatModel().with_structured_output(Verdict, method=method)
    assert model.invoke("the large one, 2 points") == Verdict(arm="large", score=2)


@pytest.mark.parametrize("method", ["json_mode", "json_schema"])
def test_a_fixed_answer_that_is_json_is_kept(method: str) -> None:
    model = FakeChatModel(answer='{"arm": "large", "score": 9}')
    assert model.with_structured_output(Verdict, method=method).invoke("Hello") == Verdict(
        arm="large", score=9
    )


@pytest.mark.parametrize("method", ["json_mode", "json_schema"])
def test_the_raw_message_and_the_parsing_error_may_be_wanted(method: str) -> None:
    model = FakeChatModel(answer='{"arm": "huge", "score": 9}')
    result = model.with_structured_output(Verdict, method=method, include_raw=True).invoke("Hi")
    assert isinstance(result, dict)
    assert result["raw"].content == '{"arm": "huge", "score": 9}'
    assert result["parsed"] is None
    assert "huge" in str(result["parsing_error"])


def test_json_mode_without_a_schema_gives_an_object() -> None:
    model = FakeChatModel(answer="yes").bind(response_format={"type": "json_object"})
    assert model.invoke("Hello").content == '{"answer": "yes"}'


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(ConfigError, match="method 'magic': methods are function_calling"):
        FakeChatModel().with_structured_output(Verdict, method="magic")


# -- faults and time ----------------------------------------------------------------------------


def test_the_first_calls_fail_as_told() -> None:
    model = FakeChatModel(answer="fine", error=[TimeoutError("slow"), None, ConnectionError])
    with pytest.raises(TimeoutError, match="slow"):
        model.invoke("1")
    assert model.invoke("2").content == "fine"
    with pytest.raises(ConnectionError):
        model.invoke("3")
    assert model.invoke("4").content == "fine"
    assert model.calls == 4


async def test_every_call_may_fail() -> None:
    model = FakeChatModel(error=ValueError)
    for _ in range(2):
        with pytest.raises(ValueError):  # noqa: PT011
            await model.ainvoke("Hello")
    with pytest.raises(ValueError):  # noqa: PT011
        await anext(model.astream("Hello"))


def test_a_stream_may_fail_on_its_way() -> None:
    stream = FakeChatModel(answer="a b c", error=ConnectionError, error_after=2).stream("Hello")
    assert [next(stream).content, next(stream).content] == ["a", " b"]
    with pytest.raises(ConnectionError):
        next(stream)


def test_a_delay_beyond_the_timeout_ends_in_a_timeout() -> None:
    model = FakeChatModel(delay=60, timeout=0.01)
    for call in (lambda: model.invoke("Hello"), lambda: next(model.stream("Hello"))):
        with pytest.raises(TimeoutError, match=r"did not answer within 0\.01 s"):
            call()


@pytest.mark.parametrize("times", [{"delay": 60}, {"chunk_delay": 60}])
async def test_delays_do_not_block_the_event_loop(times: dict[str, float]) -> None:
    model = FakeChatModel(answer="a b", **times)
    with pytest.raises(TimeoutError):  # noqa: PT012
        async with asyncio.timeout(0.05):
            async for _ in model.astream("Hello"):
                pass
            await model.ainvoke("Hello")


def test_a_stream_is_as_slow_as_told() -> None:
    begun = time.monotonic()
    list(FakeChatModel(answer="a b", delay=0.03, chunk_delay=0.02).stream("Hello"))
    assert time.monotonic() - begun >= 0.065


# -- the record ---------------------------------------------------------------------------------


def test_calls_are_kept_with_what_was_bound() -> None:
    model = FakeChatModel()
    model.bind_tools([add]).invoke("Hello", stop=["x"], temperature=0)
    (received,) = model.received
    assert received.messages[0].content == "Hello"
    assert received.options["stop"] == ["x"]
    assert received.options["temperature"] == 0
    assert received.options["tools"][0]["function"]["name"] == "add"


@pytest.mark.parametrize("deep", [False, True])
def test_calls_of_a_copy_count_for_the_original(deep: bool) -> None:
    model = FakeChatModel()
    model.model_copy(update={"max_retries": 0}, deep=deep).invoke("Hello")
    assert model.calls == 1


def test_a_misspelt_field_is_refused() -> None:
    with pytest.raises(ValidationError, match="anwser"):
        FakeChatModel(anwser="42")  # type: ignore[call-arg]


def test_the_key_is_no_part_of_what_it_shows() -> None:
    assert "sk-secret" not in repr(FakeChatModel(api_key="sk-secret"))  # type: ignore[arg-type]
