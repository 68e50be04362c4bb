"""A chat model that routes: answers, usage, tokens and runs, each once."""

from typing import Any

import pytest
from langchain_core.callbacks import UsageMetadataCallbackHandler, get_usage_metadata_callback
from langchain_core.load import dumps
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompt_values import StringPromptValue
from langchain_core.prompts import ChatPromptTemplate
from pydantic import SecretStr, ValidationError

from fusion_agents.chat_model import ChatFusion
from fusion_agents.errors import AnswerError, ConfigError, DataError
from fusion_agents.testing.fake_chat import FakeChatModel
from tests.chat_model.conftest import MakeChat, Runs

ONE_RUN = [("chain", [("llm", [])])]


def test_a_call_is_one_run_of_the_chain_and_one_of_the_model(
    make_chat: MakeChat, runs: Runs
) -> None:
    make_chat().invoke("Hello", {"callbacks": [runs]})

    assert runs.tree() == ONE_RUN


async def test_so_it_is_by_every_way_of_asking(make_chat: MakeChat, runs: Runs) -> None:
    model, config = make_chat(), {"callbacks": [runs]}

    list(model.stream("Hello", config))
    await model.ainvoke("Hello", config)
    [_ async for _ in model.astream("Hello", config)]
    model.batch(["Hello"], config)
    await model.abatch(["Hello"], config)
    model.generate([[HumanMessage("Hello")]], callbacks=[runs])
    await model.agenerate([[HumanMessage("Hello")]], callbacks=[runs])
    model.generate_prompt([StringPromptValue(text="Hello")], callbacks=[runs])
    _ = model.stream_events("Hello", config, version="v3").output
    await (await model.astream_events("Hello", config, version="v3")).output
    model.with_structured_output({"title": "A", "type": "object"}).invoke("Hello", config)

    assert runs.tree() == ONE_RUN * 11


async def test_usage_counts_once_however_one_asks(make_chat: MakeChat) -> None:
    model = make_chat(FakeChatModel(answer="one two three"))
    once = model.invoke("Hello").usage_metadata
    assert once is not None

    for ask in (
        lambda c: model.invoke("Hello", c),
        lambda c: list(model.stream("Hello", c)),
        lambda c: model.stream_events("Hello", c, version="v3").output,
        lambda c: model.generate([[HumanMessage("Hello")]], callbacks=c["callbacks"]),
    ):
        counted = UsageMetadataCallbackHandler()
        ask({"callbacks": [counted]})
        assert counted.usage_metadata["fake"]["total_tokens"] == once["total_tokens"]

    with get_usage_metadata_callback() as context:
        await model.ainvoke("Hello")
    assert context.usage_metadata["fake"]["total_tokens"] == once["total_tokens"]


def test_a_stream_sums_to_what_invoke_gives(make_chat: MakeChat) -> None:
    model = make_chat(FakeChatModel(answer="one two three"))

    chunks = list(model.stream("Hello"))
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk

    assert [chunk.content for chunk in chunks if chunk.content] == ["one", " two", " three"]
    assert whole.usage_metadata == model.invoke("Hello").usage_metadata
    assert whole.response_metadata["fusion"]["answered_by"] == "model-0@direct"
    assert len({chunk.id for chunk in chunks}) == 1


def test_a_failed_attempt_falls_back_in_a_stream_too(make_chat: MakeChat) -> None:
    model = make_chat(FakeChatModel(error=ValueError("no")), FakeChatModel(answer="one two"))

    assert "".join(chunk.text for chunk in model.stream("Hello")) == "one two"


async def test_events_of_version_2_tell_each_token_once(make_chat: MakeChat) -> None:
    model = make_chat(FakeChatModel(answer="one two"))

    events = [event async for event in model.astream_events("Hello", version="v2")]

    names = [event["event"] for event in events]
    tokens = [
        event["data"]["chunk"].content
        for event in events
        if event["event"] == "on_chat_model_stream" and event["data"]["chunk"].content
    ]
    assert tokens == ["one", " two"]
    assert names.count("on_chat_model_start") == names.count("on_chat_model_end") == 1
    assert names[0] == "on_chain_start"
    assert names[-1] == "on_chain_end"


@pytest.mark.filterwarnings("ignore:astream_:DeprecationWarning")
async def test_events_of_version_1_and_the_log_stream_work(make_chat: MakeChat) -> None:
    model = make_chat(FakeChatModel(answer="one two"))

    events = [event["event"] async for event in model.astream_events("Hello", version="v1")]
    patches = [patch async for patch in model.astream_log("Hello")]

    assert events.count("on_chat_model_end") == 1
    assert patches


async def test_events_of_version_3_hold_the_message(make_chat: MakeChat) -> None:
    model = make_chat(FakeChatModel(answer="one two"))

    stream = model.stream_events("Hello", version="v3")
    assert list(stream.text) == ["one", " two"]
    assert stream.output.text == "one two"
    assert stream.output.usage_metadata == model.invoke("Hello").usage_metadata
    assert stream.output.response_metadata["fusion"]["arm"] == "model-0@direct"

    opened = await model.bind(stop=["two"]).astream_events("Hello", version="v3")
    async with opened:
        assert (await opened.output).text.strip() == "one"


async def test_an_error_is_raised_where_the_events_are_read(make_chat: MakeChat) -> None:
    failing = FakeChatModel(error=ValueError("no"))
    model = make_chat(failing, failing)

    with pytest.raises(AnswerError):
        _ = model.stream_events("Hello", version="v3").output
    with pytest.raises(AnswerError):
        await (await model.astream_events("Hello", version="v3")).output


async def test_a_closed_event_stream_stops_the_model(make_chat: MakeChat) -> None:
    model = make_chat(FakeChatModel(answer="word " * 1000, chunk_delay=0.01))

    stream = await model.astream_events("Hello", version="v3")
    async for _ in stream.text:
        break
    await stream.aclose()

    assert stream.done


def test_the_model_argument_and_configuration_choose(make_chat: MakeChat) -> None:
    model = make_chat(FakeChatModel(answer="first"), FakeChatModel(answer="second"))

    assert model.invoke("Hello").content == "first"
    assert model.invoke("Hello", model="model-1").content == "second"
    assert model.bind(model="model-1").invoke("Hello").content == "second"
    assert model.invoke("Hello", {"configurable": {"arm": "model-1@direct"}}).content == "second"
    chosen = model.with_config(configurable={"model": "model-1"})
    assert chosen.invoke("Hello").content == "second"
    assert chosen.bind(stop=["c"]).invoke("Hello").content == "se"
    with pytest.raises(ConfigError, match="unknown model 'gpt-9'"):
        model.invoke("Hello", model="gpt-9")


def test_what_is_bound_reaches_the_chosen_model(make_chat: MakeChat) -> None:
    first = FakeChatModel()
    model = make_chat(first)

    model.bind(temperature=0.5, stop=["a"]).invoke("Hello")

    assert first.received[-1].options == {"temperature": 0.5, "stop": ["a"]}


def test_its_own_parameters_reach_the_chosen_model(make_chat: MakeChat) -> None:
    first = FakeChatModel()
    model = ChatFusion(chain=make_chat(first).chain, temperature=0, max_tokens=9, stop=["x"])

    model.invoke("Hello")
    assert first.received[-1].options == {"temperature": 0, "max_tokens": 9, "stop": ["x"]}

    model.invoke("Hello", stop=["y"], max_tokens=5)
    assert first.received[-1].options == {"temperature": 0, "max_tokens": 5, "stop": ["y"]}


def test_its_own_callbacks_tags_and_metadata_reach_the_runs(
    make_chat: MakeChat, runs: Runs
) -> None:
    model = ChatFusion(
        chain=make_chat().chain, callbacks=[runs], tags=["mine"], metadata={"app": "test"}
    )

    model.invoke("Hello", {"tags": ["yours"], "run_name": "named"})

    (root,) = runs.roots
    (child,) = root.child_runs
    assert root.name == "named"
    assert {"mine", "yours", "fusion", "route:model-0@direct"} <= set(root.tags or ())
    assert (root.metadata or {})["app"] == "test"
    assert {"mine", "arm:model-0@direct"} <= set(child.tags or ())


def test_batch_routes_all_and_keeps_errors_in_their_places(make_chat: MakeChat) -> None:
    model = make_chat(FakeChatModel(answer="yes"))

    answers: list[Any] = model.batch(["one", [], "two"], return_exceptions=True)

    assert [type(answer) for answer in answers] == [AIMessage, DataError, AIMessage]
    assert model.batch([]) == []
    with pytest.raises(DataError):
        model.batch(["one", []])


async def test_abatch_takes_bound_tools_and_a_config_for_each(make_chat: MakeChat) -> None:
    model = make_chat().bind_tools([{"title": "Adder", "type": "object", "properties": {}}])

    answers = await model.abatch(
        ["call Adder", "call Adder"],
        [
            {"configurable": {"model": name}, "max_concurrency": 1}
            for name in ("model-0", "model-1")
        ],
    )

    assert [answer.tool_calls[0]["name"] for answer in answers] == ["Adder", "Adder"]
    assert [answer.response_metadata["model_name"] for answer in answers] == ["first", "second"]


def test_generate_names_its_runs(make_chat: MakeChat, runs: Runs) -> None:
    result = make_chat().generate(
        [[HumanMessage("one")], [HumanMessage("two")]], callbacks=[runs], tags=["t"]
    )

    assert [row[0].text for row in result.generations] == [
        "first was asked: one",
        "first was asked: two",
    ]
    assert {run.run_id for run in result.run or ()} == {run.id for run in runs.roots}


def test_streaming_can_be_disabled(make_chat: MakeChat) -> None:
    chain = make_chat(FakeChatModel(answer="one two")).chain

    for model in (
        ChatFusion(chain=chain, disable_streaming=True),
        ChatFusion(chain=chain, streaming=False),
    ):
        chunks = list(model.stream("Hello"))
        assert [chunk.content for chunk in chunks] == ["one two"]
        assert chunks[0].chunk_position == "last"


def test_content_can_be_had_as_standard_blocks(make_chat: MakeChat) -> None:
    model = ChatFusion(chain=make_chat(FakeChatModel(answer="one two")).chain, output_version="v1")

    assert model.invoke("Hello").content == [{"type": "text", "text": "one two"}]
    whole = None
    for chunk in model.stream("Hello"):
        whole = chunk if whole is None else whole + chunk
    assert whole is not None
    assert [block["text"] for block in whole.content_blocks] == ["one two"]


def test_it_composes(make_chat: MakeChat) -> None:
    prompt = ChatPromptTemplate.from_messages([("human", "{word}")])
    failing = make_chat(*[FakeChatModel(error=ValueError("no"))] * 2)

    chain = prompt | failing.with_fallbacks([make_chat(FakeChatModel(answer="yes"))])

    assert (chain | StrOutputParser()).invoke({"word": "Hello"}) == "yes"


def test_keys_are_shown_nowhere(make_chat: MakeChat) -> None:
    secret = "sk-very-secret-0123456789"
    model = make_chat(FakeChatModel(api_key=SecretStr(secret)))

    for thing in (model, model.bind(stop=["a"]), model.with_structured_output(dict), model.chain):
        assert secret not in dumps(thing)
        assert secret not in repr(thing)
    assert secret not in str(model.asdict())
    assert model._llm_type == "fusion"


def test_unknown_parameters_caches_and_limiters_are_refused(make_chat: MakeChat) -> None:
    chain = make_chat().chain

    with pytest.raises(ValidationError, match="timeout"):
        ChatFusion(chain=chain, timeout=3)  # type: ignore[call-arg]
    with pytest.raises(ValidationError, match="models of the pool"):
        ChatFusion(chain=chain, cache=True)


def test_tokens_are_estimated(make_chat: MakeChat) -> None:
    model = make_chat()

    assert model.get_num_tokens("a" * 40) == pytest.approx(10, abs=2)
    few = model.get_num_tokens_from_messages([HumanMessage("Hello")])
    tool = {"type": "function", "function": {"name": "f", "parameters": {}}}
    assert model.get_num_tokens_from_messages([HumanMessage("Hello")], tools=[tool]) > few


def test_the_profile_holds_for_every_model(make_chat: MakeChat) -> None:
    small = FakeChatModel(
        profile={"max_input_tokens": 1000, "tool_calling": True, "image_inputs": False}
    )
    able = FakeChatModel(
        profile={
            "max_input_tokens": 2000,
            "tool_calling": True,
            "image_inputs": True,
            "pdf_inputs": True,
        }
    )

    assert make_chat(small, able).profile == {
        "max_input_tokens": 1000,
        "tool_calling": True,
        "image_inputs": False,
    }
