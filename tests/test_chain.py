"""The chain: what it takes, gives, decides, counts, records and shows."""

import copy
import pickle
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableParallel, RunnablePassthrough
from langgraph.graph import START, MessagesState, StateGraph

from fusion_agents.answering.nouns import Bindings
from fusion_agents.chain import FusionRouterChain
from fusion_agents.errors import AnswerError, ConfigError, DataError, ObjectiveError, RouteError
from fusion_agents.pool.pool import Pool
from fusion_agents.routers.artefact import save_router
from fusion_agents.routers.best import BestRouter
from fusion_agents.routers.knn import KNNRouter
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.strategies.few_shot import FewShotStrategy
from fusion_agents.testing.fake_chat import FakeChatModel
from fusion_agents.testing.openai_server import OpenAIServer
from fusion_agents.testing.outcomes import make_outcomes
from fusion_agents.types import Arm, LogEntry, Query
from tests.chain_cases import (
    KING,
    SUM,
    make_chain,
    models,
    models_that_say_where_they_are_made,
    write_log,
)
from tests.chat_model.conftest import Runs


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


# -- making one -----------------------------------------------------------------------------------


def test_a_chain_is_made_from_a_path_or_a_saved_router(log: RoutingLog, tmp_path: Path) -> None:
    log.close()
    save_router(BestRouter().fit(make_outcomes(n_queries=20, n_arms=2)), tmp_path / "router")

    by_path = FusionRouterChain.from_log(tmp_path / "log.db", models=models(), router="knn")
    pool = {"model-0": FakeChatModel(answer="0"), "model-1": FakeChatModel(answer="1")}
    by_router = FusionRouterChain.from_router(tmp_path / "router", models=pool)

    assert by_path.invoke(SUM).content == "42"
    assert by_router.invoke(SUM).content == "0"


def test_a_router_that_is_fitted_is_used_as_it_is(log: RoutingLog) -> None:
    fitted = KNNRouter(k=3).fit(log.outcomes())

    chain = make_chain(log, router=fitted)

    assert chain.route(SUM).router_version == fitted.version


def test_without_a_log_a_model_picks() -> None:
    chooser = FakeChatModel(model="chooser")
    runs = Runs()
    chain = FusionRouterChain.from_models({"small": chooser, "large": FakeChatModel(answer="yes")})

    answer = chain.invoke(SUM, {"callbacks": [runs]})

    assert chooser.calls >= 1
    assert answer.response_metadata["fusion"]["router"] == "llm"
    assert chain.coverage is None
    assert len(runs.roots) == 1
    assert len(runs.roots[0].child_runs) >= 2


def test_arms_that_only_one_side_has_are_named(
    log: RoutingLog, caplog: pytest.LogCaptureFixture
) -> None:
    pool = {"calculator": FakeChatModel(answer="42"), "newcomer": FakeChatModel(answer="new")}

    chain = make_chain(log, models=pool)

    assert "historian@direct" in caplog.text
    assert "newcomer@direct" in caplog.text
    assert chain.coverage is not None
    assert chain.coverage.learned == (Arm(model="calculator"),)
    assert chain.invoke(KING).content == "42"
    fusion = chain.invoke(KING).response_metadata["fusion"]
    assert [row["arm"] for row in fusion["forecast"]] == ["calculator@direct", "newcomer@direct"]


def test_examples_are_shown_to_a_model_of_the_pool_that_asks_for_them(log: RoutingLog) -> None:
    shown = FakeChatModel(model="historian-1", answer="Henry")
    asked = {"model": shown, "strategies": ["direct", "few-shot"]}

    chain = make_chain(log, models=models(historian=asked))
    chain.invoke(f"{KING} and why", {"configurable": {"arm": "historian@few-shot"}})

    assert chain.coverage is not None
    assert chain.coverage.unlearned == (Arm(model="historian", strategy="few-shot"),)
    assert len(shown.received[-1].messages) > 1


def test_examples_of_the_users_own_are_kept(log: RoutingLog) -> None:
    own = FewShotStrategy.from_log(log.scan(), k=1)
    asked = {"model": FakeChatModel(), "strategies": ["direct", "few-shot"]}
    pool = Pool(models(historian=asked), strategies={"few-shot": own})

    assert make_chain(log, models=pool).pool.strategy("few-shot") is own


def test_a_log_without_examples_leaves_out_that_strategy_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with RoutingLog(tmp_path / "wordless.db") as log:
        log.append(
            LogEntry(
                query=Query(text=f"{KING} {number}"),
                arm=Arm(model="historian", strategy=strategy),
                performance=0.5,
            )
            for number in range(12)
            for strategy in ("direct", "few-shot")
        )
        chain = make_chain(log)

    assert Arm(model="historian") in chain.steps.arms
    assert Arm(model="historian", strategy="few-shot") not in chain.steps.arms
    assert "nothing is prompted as 'few-shot'" in caplog.text


def test_an_objective_that_the_log_cannot_serve_is_refused_at_once(log: RoutingLog) -> None:
    fitted = KNNRouter().fit(log.outcomes())

    with pytest.raises(ObjectiveError, match="weighs judge, which this log does not have"):
        make_chain(log, objective="judge")
    with pytest.raises(ObjectiveError, match="weighs judge"):
        FusionRouterChain.from_router(fitted, models=models(), objective="judge")

    newcomer = {**models(), "newcomer": FakeChatModel(answer="new")}
    named = make_chain(log, models=newcomer, objective="performance=1,arms=newcomer")
    assert named.invoke(SUM).content == "new"


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda chain: pickle.loads(pickle.dumps(chain))])
def test_a_chain_that_has_answered_can_be_copied(
    log: RoutingLog, copied: Callable[[Any], Any]
) -> None:
    with OpenAIServer() as server:
        pool = {name: {"model": name, "base_url": server.base_url} for name in models()}
        chain = make_chain(log, models=pool)
        first = chain.invoke(SUM)

        again = copied(chain.as_chat_model()).invoke(SUM)

    assert again.response_metadata["fusion"]["arm"] == first.response_metadata["fusion"]["arm"]
    assert server.hits == 2


def test_nothing_in_common_is_refused(log: RoutingLog) -> None:
    with pytest.raises(ConfigError, match="no arm in common"):
        make_chain(log, models={"other": FakeChatModel()})


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
