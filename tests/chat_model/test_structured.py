"""Structured output: the schema is bound to whichever model is chosen."""

from itertools import pairwise
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from pydantic import BaseModel
from typing_extensions import TypedDict

from fusion_agents.errors import AnswerError
from fusion_agents.testing.fake_chat import FakeChatModel
from tests.chat_model.conftest import MakeChat, Runs


class Joke(BaseModel):
    """A joke."""

    setup: str
    punchline: str


class JokeDict(TypedDict):
    """A joke."""

    setup: str
    punchline: str


METHODS: list[dict[str, Any]] = [
    {},
    {"method": "function_calling"},
    {"method": "json_schema"},
    {"method": "json_mode"},
]


@pytest.mark.parametrize("options", METHODS)
async def test_a_class_gives_instances(make_chat: MakeChat, options: dict[str, Any]) -> None:
    model = make_chat().with_structured_output(Joke, **options)

    assert isinstance(model.invoke("a joke"), Joke)
    assert isinstance(await model.ainvoke("a joke"), Joke)
    assert all(isinstance(joke, Joke) for joke in model.batch(["a joke", "another"]))
    assert all(isinstance(joke, Joke) for joke in await model.abatch(["a joke", "another"]))
    assert isinstance(list(model.stream("a joke"))[-1], Joke)
    assert isinstance([joke async for joke in model.astream("a joke")][-1], Joke)


@pytest.mark.parametrize("options", METHODS)
@pytest.mark.parametrize("schema", [JokeDict, Joke.model_json_schema()])
def test_other_schemas_give_dicts_that_grow_in_a_stream(
    make_chat: MakeChat, schema: Any, options: dict[str, Any]
) -> None:
    model = make_chat().with_structured_output(schema, **options)

    parts = list(model.stream("a joke"))

    assert set(parts[-1]) == {"setup", "punchline"}
    assert parts[-1] == model.invoke("a joke")
    assert len(parts) > 1
    assert all(one != other for one, other in pairwise(parts))


def test_the_reply_itself_can_be_had_too(make_chat: MakeChat) -> None:
    model = make_chat().with_structured_output(Joke, include_raw=True)

    given = model.invoke("a joke")
    parts = list(model.stream("a joke"))
    summed = parts[0]
    for part in parts[1:]:
        summed += part

    assert isinstance(given["raw"], AIMessage)
    assert isinstance(given["parsed"], Joke)
    assert given["parsing_error"] is None
    assert summed["raw"].tool_calls[0]["args"] == given["parsed"].model_dump()
    assert summed["parsed"] == given["parsed"]
    assert summed["parsing_error"] is None


@pytest.mark.parametrize("include_raw", [False, True])
def test_a_reply_that_does_not_fit_is_had_from_another_model(
    make_chat: MakeChat, include_raw: bool
) -> None:
    unfit = FakeChatModel(answer='{"setup": 1}')
    options = {"method": "json_mode", "include_raw": include_raw}

    given = make_chat(unfit).with_structured_output(Joke, **options).invoke("a joke")

    assert isinstance(given["parsed"] if include_raw else given, Joke)


async def test_if_no_reply_fits_that_is_an_error_or_comes_with_the_last_reply(
    make_chat: MakeChat,
) -> None:
    unfit = FakeChatModel(answer='{"setup": 1}')
    chat = make_chat(unfit, unfit)
    plain = chat.with_structured_output(Joke, method="json_mode")
    raw = chat.with_structured_output(Joke, method="json_mode", include_raw=True)

    with pytest.raises(AnswerError, match="does not fit the schema"):
        plain.invoke("a joke")
    with pytest.raises(AnswerError, match="does not fit the schema"):
        plain.batch(["a joke"])
    (kept,) = plain.batch(["a joke"], return_exceptions=True)
    assert isinstance(kept, AnswerError)
    for given in (
        raw.invoke("a joke"),
        await raw.ainvoke("a joke"),
        raw.batch(["a joke"])[0],
        (await raw.abatch(["a joke"]))[0],
    ):
        assert given["raw"].content == '{"setup": 1}'
        assert given["parsed"] is None
        assert isinstance(given["parsing_error"], AnswerError)


def test_with_raw_replies_an_error_without_any_reply_is_still_one(make_chat: MakeChat) -> None:
    dead = FakeChatModel(error=ConnectionError)
    raw = make_chat(dead, dead).with_structured_output(Joke, include_raw=True)
    with pytest.raises(AnswerError, match="connection"):
        raw.invoke("a joke")


def test_what_was_bound_before_stays(make_chat: MakeChat) -> None:
    second = FakeChatModel()
    model = make_chat(second=second)

    bound = model.bind(temperature=0.3).with_config(configurable={"model": "model-1"})
    assert isinstance(bound.with_structured_output(Joke).invoke("a joke"), Joke)

    assert second.received[-1].options["temperature"] == 0.3
    assert isinstance(model.bind_tools([JokeDict]).with_structured_output(Joke).invoke("x"), Joke)


def test_options_of_the_call_choose(make_chat: MakeChat, runs: Runs) -> None:
    second = FakeChatModel()
    model = make_chat(second=second).with_structured_output(Joke)

    model.invoke("a joke", {"callbacks": [runs]}, model="model-1", temperature=0.2)
    model.with_config(configurable={"model": "model-1"}).invoke("a joke")

    assert second.calls == 2
    assert second.received[0].options["temperature"] == 0.2
    assert runs.tree() == [("chain", [("llm", [])])]
    assert {spec.id for spec in model.config_specs} == {"objective", "model", "arm", "tenant"}


def test_errors_of_a_batch_keep_their_places(make_chat: MakeChat) -> None:
    model = make_chat().with_structured_output(Joke)

    good, bad = model.batch(["a joke", []], return_exceptions=True)

    assert isinstance(good, Joke)
    assert isinstance(bad, ValueError)
