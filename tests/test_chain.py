"""The chain: what it takes, gives, decides, counts, records and shows."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.callbacks import UsageMetadataCallbackHandler
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda, RunnableParallel, RunnablePassthrough
from langgraph.graph import START, MessagesState, StateGraph

from fusion_agents.answering.nouns import Bindings
from fusion_agents.answering.policy import AnswerPolicy
from fusion_agents.chain import FusionRouterChain
from fusion_agents.errors import AnswerError, ConfigError, DataError, ObjectiveError, RouteError
from fusion_agents.routers.artefact import save_router
from fusion_agents.routers.best import BestRouter
from fusion_agents.routers.knn import KNNRouter
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.testing.fake_chat import FakeChatModel
from fusion_agents.testing.outcomes import make_outcomes
from fusion_agents.types import Arm, LogEntry, Query
from tests.chat_model.conftest import Runs

SUM = "what is the sum of these numbers"
KING = "which king won that battle"
QUICK = AnswerPolicy(deadline=20, first_backoff=0.01, max_backoff=0.01, attempts_per_arm=1)


def write_log(path: Path) -> RoutingLog:
    """`calculator` is right about sums and `historian` about kings; the first one is dearer."""
    log = RoutingLog(path)
    log.append(
        LogEntry(
            query=Query(text=f"{text} {number}"),
            arm=Arm(model=model),
            response="42",
            performance=float((text == SUM) == (model == "calculator")),
            cost=0.02 if model == "calculator" else 0.01,
            latency=1.0,
        )
        for number in range(12)
        for text in (SUM, KING)
        for model in ("calculator", "historian")
    )
    return log


@pytest.fixture
def log(tmp_path: Path) -> Iterator[RoutingLog]:
    with write_log(tmp_path / "log.db") as opened:
        yield opened


def models(**changes: Any) -> dict[str, Any]:
    return {
        "calculator": FakeChatModel(model="calculator-1", answer="42"),
        "historian": FakeChatModel(model="historian-1", answer="Henry"),
        **changes,
    }


def make_chain(log: RoutingLog, **options: Any) -> FusionRouterChain:
    given = {"models": models(), "router": "knn", "policy": QUICK, **options}
    return FusionRouterChain.from_log(log, **given)


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


# -- usage and runs -------------------------------------------------------------------------------


def test_usage_counts_once(log: RoutingLog) -> None:
    counted = UsageMetadataCallbackHandler()

    answer = make_chain(log).invoke(SUM, {"callbacks": [counted]})

    assert answer.usage_metadata is not None
    assert (
        counted.usage_metadata["calculator-1"]["total_tokens"]
        == (answer.usage_metadata["total_tokens"])
    )


@pytest.mark.parametrize("streams", [False, True])
def test_a_rejected_answer_is_paid_for_too(log: RoutingLog, streams: bool) -> None:
    empty = FakeChatModel(model="empty", answer="")
    chain = make_chain(log, models=models(calculator=empty))
    counted = UsageMetadataCallbackHandler()

    if streams:
        chunks = list(chain.stream(SUM, {"callbacks": [counted]}))
        usage = sum(c.usage_metadata["total_tokens"] for c in chunks if c.usage_metadata)
    else:
        usage = chain.invoke(SUM, {"callbacks": [counted]}).usage_metadata["total_tokens"]

    assert set(counted.usage_metadata) == {"empty", "historian-1"}
    assert usage == sum(one["total_tokens"] for one in counted.usage_metadata.values())


def test_a_call_is_a_run_with_the_route_in_it(log: RoutingLog) -> None:
    runs = Runs()

    make_chain(log).invoke(SUM, {"callbacks": [runs], "tags": ["mine"], "run_name": "asked"})

    (root,) = runs.roots
    (child,) = root.child_runs
    assert (root.name, root.run_type, child.run_type) == ("asked", "chain", "llm")
    assert {"mine", "fusion", "route:calculator@direct"} <= set(root.tags or ())
    assert (root.metadata or {})["fusion"]["arm"] == "calculator@direct"
    assert {"mine", "fusion", "arm:calculator@direct"} <= set(child.tags or ())
    assert (child.metadata or {})["fusion_attempt"] == 1
    assert child.trace_id == root.trace_id


def test_failed_attempts_are_runs_too(log: RoutingLog) -> None:
    runs = Runs()
    failing = FakeChatModel(error=ConnectionError("refused"))

    make_chain(log, models=models(calculator=failing)).invoke(SUM, {"callbacks": [runs]})

    assert [child.error is None for child in runs.roots[0].child_runs] == [False, True]


def test_a_caller_may_keep_the_run_around_it_away(log: RoutingLog) -> None:
    runs, chain = Runs(), make_chain(log)
    node = RunnableLambda(lambda text: chain.invoke(text, {"callbacks": []}))

    node.invoke(SUM, {"callbacks": [runs]})

    assert runs.tree() == [("chain", [])]


def test_a_bad_input_is_a_failed_run(log: RoutingLog) -> None:
    runs = Runs()

    with pytest.raises(DataError):
        make_chain(log).invoke([], {"callbacks": [runs]})

    assert [run.error is None for run in runs.roots] == [False]


# -- deciding -------------------------------------------------------------------------------------


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


def test_nothing_in_common_is_refused(log: RoutingLog) -> None:
    with pytest.raises(ConfigError, match="no arm in common"):
        make_chain(log, models={"other": FakeChatModel()})


# -- recording ------------------------------------------------------------------------------------


def recorded(log: RoutingLog) -> list[LogEntry]:
    return [entry for entry in log.scan() if entry.source == "fusion"]


async def test_answers_and_errors_are_recorded(log: RoutingLog) -> None:
    failing = FakeChatModel(error=ConnectionError("refused"))
    chain = make_chain(log, models=models(calculator=failing), record=True)
    config: Any = {"configurable": {"tenant": "acme"}}

    chain.invoke(SUM, config)
    list(chain.stream(KING, config))
    await chain.ainvoke(KING, config)
    [_ async for _ in chain.astream(KING, config)]

    entries = recorded(log)
    assert [(entry.arm.model, entry.error) for entry in entries] == [
        ("calculator", "connection"),
        ("historian", None),
        ("historian", None),
        ("historian", None),
        ("historian", None),
    ]
    assert {entry.tenant for entry in entries} == {"acme"}
    assert entries[1].response == "Henry"
    assert entries[1].model_version == "historian-1"
    assert entries[1].usage.output_tokens


def test_a_query_that_nobody_answers_is_recorded(log: RoutingLog) -> None:
    failing = FakeChatModel(error=ConnectionError("refused"))
    chain = make_chain(log, models={"calculator": failing, "historian": failing}, record=True)

    with pytest.raises(AnswerError) as caught:
        chain.invoke(SUM)
    with pytest.raises(AnswerError):
        list(chain.stream(SUM))

    assert len(recorded(log)) >= len(caught.value.attempts) >= 2
    assert all(entry.error for entry in recorded(log))


def test_another_log_may_be_recorded_to_and_none_is_by_default(
    log: RoutingLog, tmp_path: Path
) -> None:
    with RoutingLog(tmp_path / "other.db") as other:
        make_chain(log, record=other).invoke(SUM)
        make_chain(log).invoke(SUM)

        assert len(recorded(other)) == 1
        assert recorded(log) == []


def test_a_log_that_cannot_be_written_loses_no_answer(
    log: RoutingLog, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = RoutingLog(tmp_path / "other.db")
    chain = make_chain(log, record=other)
    other.close()

    assert chain.invoke(SUM).content == "42"
    assert "are not in the log" in caplog.text


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
