"""The chain: what it takes, gives, decides, counts, records and shows."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableParallel, RunnablePassthrough
from langgraph.graph import START, MessagesState, StateGraph

from fusion_agents.answering.nouns import Bindings
from fusion_agents.errors import AnswerError, ConfigError, DataError, ObjectiveError, RouteError
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.testing.fake_chat import FakeChatModel
from tests.chain_cases import (
    KING,
    SUM,
    make_chain,
    models,
    models_that_say_where_they_are_made,
    write_log,
)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[RoutingLog]:
    with write_log(tmp_path / "log.db") as opened:
        yield opened


# -- what it takes ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        KING,
        [HumanMessage(KING)],
        HumanMessage(KING),
        [("system", "Be short."), ("human", KING)],
        [{"role": "user", "content": KING}],
        {"role": "user", "content": KING},
        ChatPromptTemplate.from_template("{q}").invoke({"q": KING}),
        {"input": KING},
        {"messages": [HumanMessage(KING)]},
        {"question": KING},
        {"query": KING},
        [HumanMessage([{"type": "text", "text": KING}])],
    ],
)
def test_inputs_of_every_kind_are_read(log: RoutingLog, value: Any) -> None:
    answer = make_chain(log).invoke(value)

    assert answer.content == "Henry"
    assert answer.response_metadata["fusion"]["arm"] == "historian@direct"


@pytest.mark.parametrize("value", [[], {"other": 1}, {}, 3, None])
def test_what_holds_no_messages_is_refused(log: RoutingLog, value: Any) -> None:
    with pytest.raises(DataError):
        make_chain(log).invoke(value)


def test_the_whole_conversation_is_sent(log: RoutingLog) -> None:
    pool = models()
    said = [SystemMessage("Be short."), HumanMessage("Hello"), AIMessage("Hi"), HumanMessage(SUM)]

    make_chain(log, models=pool).invoke(said)

    assert pool["calculator"].received[0].messages == said


# -- what it gives --------------------------------------------------------------------------------


def test_the_decision_is_in_the_answer(log: RoutingLog) -> None:
    fusion = make_chain(log).invoke(SUM).response_metadata["fusion"]

    assert fusion["arm"] == fusion["answered_by"] == "calculator@direct"
    assert fusion["objective"] == "performance-first"
    assert fusion["router"] == "knn"
    assert fusion["propensity"] == 1.0
    assert [row["arm"] for row in fusion["forecast"]] == ["calculator@direct", "historian@direct"]
    assert fusion["forecast"][0]["performance"] > fusion["forecast"][1]["performance"]
    assert [attempt["error"] for attempt in fusion["attempts"]] == [None]
    assert fusion["tenant"] == "default"
    assert fusion["latency"] >= 0


async def test_all_ways_of_asking_agree(log: RoutingLog) -> None:
    chain = make_chain(log)

    one = chain.invoke(SUM).content
    others = [
        (await chain.ainvoke(SUM)).content,
        chain.batch([SUM, KING])[0].content,
        (await chain.abatch([SUM, KING], {"max_concurrency": 1}))[0].content,
        "".join(str(chunk.content) for chunk in chain.stream(SUM)),
        "".join([str(chunk.content) async for chunk in chain.astream(SUM)]),
        chain.answer(SUM).message.content,
        (await chain.aanswer(SUM)).message.content,
    ]

    assert others == [one] * len(others)


def test_arguments_of_a_call_go_to_the_model(log: RoutingLog) -> None:
    pool = models()
    chain = make_chain(log, models=pool)

    assert chain.invoke(KING, stop=["n"]).content == "He"
    assert chain.bind(stop=["r"]).batch([KING])[0].content == "Hen"
    assert pool["historian"].received[0].options == {"stop": ["n"]}


def test_tools_and_schemas_can_be_bound(log: RoutingLog) -> None:
    numbers = {"a": {"type": "integer"}}
    tool = {"title": "Adder", "type": "object", "properties": numbers, "required": ["a"]}
    chain = make_chain(log, models=models(calculator=FakeChatModel(), historian=FakeChatModel()))

    called = chain.answer("use Adder", bindings=Bindings(tools=(tool,)))
    parsed = chain.answer(SUM, bindings=Bindings(schema=tool))

    assert called.message.tool_calls[0]["name"] == "Adder"
    assert set(parsed.parsed) == {"a"}


# -- what a call chooses ------------------------------------------------------------------------


def test_a_call_chooses_by_configuration(log: RoutingLog) -> None:
    chain = make_chain(log)

    def fusion(**chosen: str) -> Any:
        return chain.invoke(SUM, {"configurable": chosen}).response_metadata["fusion"]

    assert fusion(model="historian")["arm"] == "historian@direct"
    assert fusion(arm="historian@direct")["arm"] == "historian@direct"
    assert fusion(objective="performance=0.1,cost=1")["arm"] == "historian@direct"
    assert fusion(objective="cost-first")["objective"] == "cost-first"
    assert fusion(tenant="acme")["tenant"] == "acme"
    bound = chain.with_config(configurable={"model": "historian"})
    assert bound.invoke(SUM).content == "Henry"
    assert {spec.id for spec in chain.config_specs} == {"objective", "model", "arm", "tenant"}


def test_configurable_keys_can_have_a_prefix(log: RoutingLog) -> None:
    chain = make_chain(log, config_prefix="fusion")

    config: Any = {"configurable": {"model": "gpt-9", "fusion_model": "historian"}}

    assert chain.invoke(SUM, config).content == "Henry"


@pytest.mark.parametrize(
    ("chosen", "error", "words"),
    [
        ({"model": "gpt-9"}, ConfigError, "unknown model 'gpt-9'"),
        ({"arm": "historian@think-hard"}, ConfigError, "unknown arm"),
        ({"objective": "fastest"}, ObjectiveError, "unknown objective 'fastest'"),
        ({"objective": {"cost": 1}}, ObjectiveError, "an objective is a text such as 'balance'"),
        ({"objective": "performance=1,arms=gpt-9"}, ObjectiveError, "is no arm of"),
        ({"objective": "performance=1,max_cost=0.001"}, RouteError, "max_cost"),
    ],
)
def test_what_cannot_be_chosen_is_refused(
    log: RoutingLog, chosen: dict[str, str], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        make_chain(log).invoke(SUM, {"configurable": chosen})


def test_a_strategy_of_the_pool_can_be_asked_for(log: RoutingLog) -> None:
    pool = models(calculator={"model": FakeChatModel(), "strategies": ["direct", "think"]})
    chain = make_chain(log, models=pool)

    answer = chain.invoke(SUM, {"configurable": {"arm": "calculator@think"}})

    assert answer.response_metadata["fusion"]["answered_by"] == "calculator@think"


# -- failures -------------------------------------------------------------------------------------


def test_a_failing_arm_falls_back_along_the_ranking(log: RoutingLog) -> None:
    failing = FakeChatModel(error=ConnectionError("refused"))

    answer = make_chain(log, models=models(calculator=failing)).invoke(SUM)

    fusion = answer.response_metadata["fusion"]
    assert answer.content == "Henry"
    assert fusion["arm"] == "calculator@direct"
    assert fusion["answered_by"] == "historian@direct"
    assert [attempt["error"] for attempt in fusion["attempts"]] == ["connection", None]


def test_it_is_an_error_if_none_answers(log: RoutingLog) -> None:
    failing = FakeChatModel(error=ConnectionError("refused"))

    with pytest.raises(AnswerError, match="refused") as caught:
        make_chain(log, models={"calculator": failing, "historian": failing}).invoke(SUM)

    assert {str(attempt.arm) for attempt in caught.value.attempts} == {
        "calculator@direct",
        "historian@direct",
    }


def test_one_bad_input_does_not_spoil_a_batch(log: RoutingLog) -> None:
    chain = make_chain(log)

    answers: list[Any] = chain.batch([SUM, {"other": 1}, KING], return_exceptions=True)

    assert [type(answer) for answer in answers] == [AIMessage, DataError, AIMessage]
    assert [answers[0].content, answers[2].content] == ["42", "Henry"]
    with pytest.raises(DataError):
        chain.batch([SUM, {"other": 1}])
    assert chain.batch([]) == []


async def test_nor_in_an_event_loop(log: RoutingLog) -> None:
    chain = make_chain(log)
    configs: list[Any] = [{}, {"configurable": {"model": "gpt-9"}}, {"max_concurrency": 1}]

    answers: list[Any] = await chain.abatch([SUM, SUM, KING], configs, return_exceptions=True)

    assert [type(answer) for answer in answers] == [AIMessage, ConfigError, AIMessage]
    assert await chain.abatch([]) == []


def test_langchains_own_fallbacks_and_retries_work(log: RoutingLog) -> None:
    failing = FakeChatModel(error=ConnectionError("refused"))
    broken = make_chain(log, models={"calculator": failing, "historian": failing})

    assert broken.with_fallbacks([make_chain(log)]).invoke(SUM).content == "42"
    retried = broken.with_retry(
        retry_if_exception_type=(AnswerError,), stop_after_attempt=2, wait_exponential_jitter=False
    )
    with pytest.raises(AnswerError):
        retried.invoke(SUM)


# -- deciding -------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["ainvoke", "aroute", "astream"])
async def test_an_event_loop_does_not_wait_while_models_are_made(log: RoutingLog, way: str) -> None:
    pool, threads = models_that_say_where_they_are_made()
    chain = make_chain(log, models=pool)

    if way == "astream":
        assert [chunk async for chunk in chain.astream(SUM)]
    else:
        await getattr(chain, way)(SUM)

    assert len(threads) == len(pool)
    assert threading.main_thread() not in threads


async def test_routing_calls_no_model_and_needs_no_key(
    log: RoutingLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    pool = {"calculator": "openai:gpt-5-mini", "historian": "openai:gpt-5"}
    chain = make_chain(log, models=pool)

    assert str(chain.route(SUM).arm) == "calculator@direct"
    assert str((await chain.aroute(KING)).arm) == "historian@direct"
    chosen: Any = {"configurable": {"model": "historian"}}
    assert str(chain.route(SUM, chosen).arm) == "historian@direct"
    assert "calculator@direct" in repr(chain)


# -- in other things ------------------------------------------------------------------------------


def test_it_composes(log: RoutingLog) -> None:
    prompt = ChatPromptTemplate.from_messages([("system", "Be short."), ("human", "{question}")])
    chain = make_chain(log)

    piped = prompt | chain | StrOutputParser()
    both = RunnableParallel(answer=chain | StrOutputParser(), asked=RunnablePassthrough())

    assert piped.invoke({"question": KING}) == "Henry"
    assert piped.batch([{"question": KING}, {"question": SUM}]) == ["Henry", "42"]
    assert "".join(piped.stream({"question": KING})) == "Henry"
    assert both.invoke(KING) == {"answer": "Henry", "asked": KING}


async def test_it_runs_in_a_node_of_a_graph(log: RoutingLog) -> None:
    chain = make_chain(log)
    graph = StateGraph(MessagesState)
    graph.add_node("answer", lambda state: {"messages": [chain.invoke(state["messages"])]})
    graph.add_edge(START, "answer")
    compiled: Any = graph.compile()

    state = await compiled.ainvoke({"messages": [HumanMessage(KING)]})

    assert state["messages"][-1].content == "Henry"
