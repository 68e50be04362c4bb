"""What the caller bound reaches the model that was chosen."""

import gc
from typing import Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable, RunnableLambda
from langchain_core.tools import tool
from pydantic import BaseModel

from fusion_agents.answering.answerer import Answerer
from fusion_agents.answering.bindings import Binder
from fusion_agents.answering.nouns import Bindings
from fusion_agents.answering.policy import AnswerPolicy
from fusion_agents.errors import AnswerError
from fusion_agents.pool.pool import Pool
from fusion_agents.testing.fake_chat import FakeChatModel
from fusion_agents.testing.openai_server import Behaviour, OpenAIServer
from tests.answering.asking import WAYS, Way, ask, call_of
from tests.answering.conftest import MakePool

QUICK = AnswerPolicy(first_backoff=0.0, max_backoff=0.0, deadline=20)
every_way = pytest.mark.parametrize("way", WAYS)


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


class City(BaseModel):
    """A city."""

    name: str
    people: int


@every_way
async def test_tools_are_bound_with_their_options(way: Way) -> None:
    bindings = Bindings(tools=(add,), tool_options={"tool_choice": "any"})

    heard = await ask(Answerer(Pool({"a": FakeChatModel()})), way, call_of("a", bindings=bindings))

    assert [call["name"] for call in heard.answer.message.tool_calls] == ["add"]


@every_way
async def test_options_reach_the_call(way: Way) -> None:
    model = FakeChatModel(answer="one two three")
    bindings = Bindings(options={"stop": ["two"]})

    heard = await ask(Answerer(Pool({"a": model})), way, call_of("a", bindings=bindings))

    assert heard.answer.message.content == "one "


@every_way
@pytest.mark.parametrize("method", ["function_calling", "json_mode", "json_schema"])
async def test_structured_output_is_parsed_and_the_message_stays_whole(
    way: Way, method: str
) -> None:
    bindings = Bindings(schema=City, schema_options={"method": method}, options={"stop": ["§"]})
    model = FakeChatModel()

    heard = await ask(Answerer(Pool({"a": model})), way, call_of("a", bindings=bindings))

    assert isinstance(heard.answer.parsed, City)
    assert isinstance(heard.answer.message, AIMessage)
    assert heard.answer.message.usage_metadata
    assert model.received[0].options["stop"] == ["§"]
    if heard.chunks:
        assert len(heard.chunks) > 1 or method == "function_calling"


@pytest.mark.parametrize("way", ["answer", "aanswer"])
async def test_output_that_does_not_fit_is_malformed_counted_and_asked_for_again(
    way: Way, server: OpenAIServer, pool_of: MakePool
) -> None:
    server.script(
        Behaviour(text="not JSON"),
        Behaviour(text='{"name": "Rome"}'),
        Behaviour(text="[]"),
        Behaviour(text='{"name": "Rome", "people": 3}'),
    )
    bindings = Bindings(schema=City, schema_options={"method": "json_mode"})
    answerer = Answerer(pool_of("a", "b"), QUICK)

    heard = await ask(answerer, way, call_of("a", "b", text="JSON, please", bindings=bindings))

    *failed, answered = heard.answer.attempts
    assert [attempt.error for attempt in failed] == ["malformed"] * 3
    assert answered.arm.model == "b"
    assert heard.answer.parsed == City(name="Rome", people=3)
    usage = heard.answer.message.usage_metadata
    assert usage is not None
    assert usage["output_tokens"] == sum(
        attempt.usage.output_tokens or 0 for attempt in heard.answer.attempts
    )


@pytest.mark.parametrize("way", ["stream", "astream"])
async def test_a_stream_that_does_not_fit_the_schema_fails_at_its_end(
    way: Way, server: OpenAIServer, pool_of: MakePool
) -> None:
    server.rule = lambda _: Behaviour(text="not JSON")
    bindings = Bindings(schema=City, schema_options={"method": "json_mode"})

    with pytest.raises(AnswerError, match="broke off: malformed"):
        await ask(Answerer(pool_of("a", "b"), QUICK), way, call_of("a", bindings=bindings))


# The client of langchain-openai warns about its own chunk of a parsed stream.
@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings:UserWarning")
@every_way
async def test_with_tools_and_a_schema_either_will_do(way: Way, pool_of: MakePool) -> None:
    bindings = Bindings(tools=(add,), schema=City, schema_options={"strict": True})
    answerer = Answerer(pool_of("a"), QUICK)

    called = await ask(answerer, way, call_of("a", text="Please add.", bindings=bindings))
    said = await ask(answerer, way, call_of("a", text="Name a city", bindings=bindings))

    assert [call["name"] for call in called.answer.message.tool_calls] == ["add"]
    assert called.answer.parsed is None
    assert isinstance(said.answer.parsed, City)
    assert len(called.answer.attempts) == len(said.answer.attempts) == 1


class Wrapped(FakeChatModel):
    """Makes structured output in a way of its own."""

    def with_structured_output(self, schema: Any, **options: Any) -> Runnable[Any, Any]:
        def whole(given: Any) -> Any:
            return {"raw": self.invoke(given), "parsed": {"made": 1}, "parsing_error": None}

        return RunnableLambda(whole)


@every_way
async def test_structured_output_of_an_unknown_make_works_as_a_whole(way: Way) -> None:
    bindings = Bindings(schema={"title": "made", "type": "object"})

    heard = await ask(Answerer(Pool({"a": Wrapped()})), way, call_of("a", bindings=bindings))

    assert heard.answer.parsed == {"made": 1}
    assert not heard.chunks or heard.text == heard.answer.message.text


class NoTools(FakeChatModel):
    """Cannot call tools."""

    def bind_tools(self, tools: Any, **options: Any) -> Any:
        raise NotImplementedError


@every_way
async def test_a_model_that_cannot_be_bound_is_skipped(way: Way) -> None:
    pool = Pool({"a": NoTools(), "b": FakeChatModel()})

    heard = await ask(
        Answerer(pool, QUICK), way, call_of("a", "b", bindings=Bindings(tools=(add,)))
    )

    assert [attempt.error for attempt in heard.answer.attempts] == ["other", None]


def test_a_model_is_bound_once_for_as_long_as_its_bindings_live() -> None:
    binder, model = Binder(), FakeChatModel()
    bindings = Bindings(tools=(add,))

    first = binder.bind("a", lambda _: model, bindings)
    assert binder.bind("a", lambda _: model, bindings) is first
    assert binder.bind("b", lambda _: model, bindings) is not first
    assert binder.bind("a", lambda _: model, Bindings(tools=(add,))) is not first

    del bindings
    gc.collect()
    assert len(binder._kept) == 0


async def test_clients_that_take_a_timeout_are_told_when_nobody_waits_any_more(
    pool_of: MakePool,
) -> None:
    pool = pool_of("a")
    bound = Binder().bind("a", pool.chat_model, Bindings())
    assert bound.arguments(2.5) == {"timeout": 2.5}
    assert bound.arguments() == {}

    chosen = Binder().bind("a", pool.chat_model, Bindings(options={"timeout": 1}))
    assert chosen.arguments(2.5) == {"timeout": 1}

    other = Binder().bind("b", lambda _: FakeChatModel(), Bindings())
    assert other.arguments(2.5) == {}


async def test_cached_answers_are_found_though_time_goes_by(
    server: OpenAIServer, pool_of: MakePool
) -> None:
    answerer = Answerer(pool_of("a", cache=InMemoryCache()))

    first = answerer.answer(call_of("a"))
    second = answerer.answer(call_of("a"))

    assert second.message.content == first.message.content
    assert server.hits == 1
