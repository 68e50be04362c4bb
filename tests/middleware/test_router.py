import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from langchain.agents.middleware import (
    AgentMiddleware,
    HumanInTheLoopMiddleware,
    ModelResponse,
)
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    HumanMessage,
    RemoveMessage,
    ToolMessage,
)
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph.message import REMOVE_ALL_MESSAGES
from langgraph.types import Command, interrupt
from pydantic import BaseModel

from fusion_agents.errors import AnswerError, ConfigError, RouteError
from fusion_agents.middleware import FusionRouterMiddleware
from fusion_agents.routers.artefact import save_router
from fusion_agents.routers.knn import KNNRouter
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.testing.fake_chat import FakeChatModel
from fusion_agents.testing.outcomes import make_outcomes
from fusion_agents.types import LogEntry
from tests.chain_cases import models_that_say_where_they_are_made
from tests.middleware.agents import (
    QUICK,
    OtherChatModel,
    WordClassifier,
    agent,
    ask,
    authors,
    calls_weather,
    router,
    says,
    weather,
)

THREAD: Any = {"configurable": {"thread_id": "1"}}


class Forecast(BaseModel):
    """A weather forecast."""

    city: str
    sunny: bool


def two(**options: Any) -> dict[str, FakeChatModel]:
    return {
        "small": FakeChatModel(model="small", **options),
        "large": FakeChatModel(model="large", **options),
    }


def test_the_arm_that_the_question_is_routed_to_answers() -> None:
    made = agent(router(two()))
    assert authors(made.invoke(ask("one for large"))) == ["large"]
    assert authors(made.invoke(ask("one for small"))) == ["small"]


async def test_an_event_loop_does_not_wait_while_models_are_made() -> None:
    models, threads = models_that_say_where_they_are_made()

    await agent(router(models)).ainvoke(ask("Hello?"))

    assert len(threads) == len(models)
    assert threading.main_thread() not in threads


async def test_it_routes_in_an_event_loop() -> None:
    assert authors(await agent(router(two())).ainvoke(ask("one for large"))) == ["large"]


def test_the_arms_strategy_makes_the_prompt_and_the_state_stays_as_it_was() -> None:
    model = FakeChatModel(model="small")
    result = agent(
        router({"small": {"model": model, "strategies": ["think"]}}), system_prompt="Be kind."
    ).invoke(ask("2 + 2?"))
    sent = model.received[0].messages
    assert [message.type for message in sent][:1] == ["system"]
    assert "".join(str(message.content) for message in sent) != "Be kind.2 + 2?"
    assert result["messages"][0].content == "2 + 2?"


def test_the_decision_is_in_the_state_and_in_the_message_as_plain_json() -> None:
    result = agent(router(two())).invoke(ask("one for large"))
    kept, said = result["fusion_route"], result["messages"][-1].response_metadata["fusion"]
    assert kept == json.loads(json.dumps(kept))
    assert kept["arm"] == kept["answered_by"] == said["answered_by"] == "large@direct"
    assert kept["step"] == "routed"
    assert kept["reason"] == "the question names it"
    assert [attempt["arm"] for attempt in kept["attempts"]] == ["large@direct"]
    assert kept["question"] == result["messages"][0].id


def test_the_models_run_has_the_tags_and_metadata_of_the_arm() -> None:
    runs: list[Any] = []

    class Watch(FakeChatModel):
        def _generate(self, *args: Any, run_manager: Any = None, **kwargs: Any) -> Any:
            runs.append(run_manager)
            return super()._generate(*args, run_manager=run_manager, **kwargs)

    agent(router({"small": Watch(model="small")})).invoke(ask("Hello"), {"tags": ["mine"]})
    assert {"fusion", "arm:small@direct", "mine"} <= set(runs[0].tags)
    assert runs[0].metadata["fusion_arm"] == "small@direct"


# -- tool loops ---------------------------------------------------------------------------------


def test_a_run_is_routed_once_and_goes_on_with_its_arm() -> None:
    classifier = WordClassifier()
    models = {
        "small": FakeChatModel(model="small"),
        "large": FakeChatModel(model="large", answer=says(calls_weather(), calls_weather(2), "Ok")),
    }
    result = agent(router(models, classifier=classifier), tools=[weather]).invoke(
        ask("the weather, large")
    )
    assert authors(result) == ["large", "large", "large"]
    assert classifier.asked == ["the weather, large"]
    assert result["fusion_route"]["step"] == "pinned"
    assert models["small"].calls == 0


def test_per_call_a_tool_loop_still_goes_on_with_its_arm() -> None:
    classifier = WordClassifier()
    models = two(answer=says(calls_weather(), "Ok"))
    result = agent(router(models, classifier=classifier, per="call"), tools=[weather]).invoke(
        ask("the weather, large")
    )
    assert authors(result) == ["large", "large"]
    assert len(classifier.asked) == 1


def test_a_tool_loop_whose_start_is_only_in_the_messages_goes_on_with_its_arm() -> None:
    call = calls_weather()
    call.response_metadata = {"fusion": {"answered_by": "large@direct"}}
    history = [HumanMessage("small?"), call, ToolMessage("sunny", tool_call_id="call-1")]
    result = agent(router(two()), tools=[weather]).invoke({"messages": history})
    assert authors({"messages": result["messages"][3:]}) == ["large"]
    assert result["fusion_route"]["step"] == "pinned"


def test_a_failing_arm_of_a_tool_loop_is_replaced_by_one_of_its_provider() -> None:
    models = {
        "first": FakeChatModel(
            model="first", answer=says(calls_weather(), "Ok"), error=[None, ValueError("gone")]
        ),
        "other": OtherChatModel(model="other"),
        "third": FakeChatModel(model="third"),
    }
    result = agent(router(models), tools=[weather]).invoke(ask("the weather, first"))
    assert authors(result) == ["first", "third"]
    kept = result["fusion_route"]
    assert (kept["arm"], kept["answered_by"]) == ("first@direct", "third@direct")
    assert (kept["step"], kept["left_provider"]) == ("fell back", False)
    assert [attempt["error"] for attempt in kept["attempts"]] == ["other", None]


def test_only_if_nothing_else_is_left_a_tool_loop_changes_its_provider() -> None:
    models = {
        "first": FakeChatModel(
            model="first", answer=says(calls_weather(), "Ok"), error=[None, ValueError("gone")]
        ),
        "other": OtherChatModel(model="other"),
        "third": FakeChatModel(model="third", error=ValueError("gone too")),
    }
    result = agent(router(models), tools=[weather]).invoke(ask("the weather, first"))
    assert authors(result) == ["first", "other"]
    assert result["fusion_route"]["left_provider"] is True


def test_a_run_stays_with_the_arm_that_took_over() -> None:
    models = {
        "small": FakeChatModel(model="small", error=[ValueError("gone")]),
        "large": FakeChatModel(model="large", answer=says(calls_weather(), "Ok")),
    }
    result = agent(router(models), tools=[weather]).invoke(ask("the weather, small"))
    assert authors(result) == ["large", "large"]
    assert models["small"].calls == 1


def test_a_tool_loop_that_outgrows_its_model_moves_on_within_its_provider() -> None:
    models = {
        "first": {
            "model": FakeChatModel(model="first", answer=says(calls_weather())),
            "context_window": 700,
        },
        "other": OtherChatModel(model="other"),
        "third": FakeChatModel(model="third"),
    }

    class LongTool(AgentMiddleware[Any, Any]):
        def wrap_tool_call(self, request: Any, handler: Any) -> Any:
            return handler(request).model_copy(update={"content": "sunny " * 500})

    result = agent(router(models), LongTool(), tools=[weather]).invoke(ask("the weather, first"))
    assert authors(result) == ["first", "third"]
    kept = result["fusion_route"]
    assert kept["step"] == "moved"
    assert "first@direct cannot go on: first@direct needs about" in kept["reason"]


def test_a_tool_loop_whose_arm_left_the_pool_moves_on() -> None:
    call = calls_weather()
    call.response_metadata = {"fusion": {"answered_by": "gone@direct"}}
    history = [HumanMessage("large?"), call, ToolMessage("sunny", tool_call_id="call-1")]
    kept = agent(router(two()), tools=[weather]).invoke({"messages": history})["fusion_route"]
    assert (kept["step"], kept["answered_by"]) == ("moved", "large@direct")
    assert kept["reason"] == "gone@direct cannot go on: gone@direct is not in the pool"


# -- conversations --------------------------------------------------------------------------------


def test_a_new_question_stays_with_its_model_if_another_is_hardly_better() -> None:
    made = agent(
        router(two(), classifier=WordClassifier({"small": 0.5, "large": 0.49}, std=0.2)),
        checkpointer=InMemorySaver(),
    )
    made.invoke(ask("for large"), THREAD)
    result = made.invoke(ask("and now?"), THREAD)
    assert authors(result) == ["large", "large"]
    assert result["fusion_route"]["step"] == "kept"
    assert "kept large@direct: gain 0.01 of small@direct" in result["fusion_route"]["reason"]


def test_a_new_question_goes_to_a_model_that_is_much_better() -> None:
    made = agent(router(two()), checkpointer=InMemorySaver())
    made.invoke(ask("for large"), THREAD)
    result = made.invoke(ask("for small"), THREAD)
    assert authors(result) == ["large", "small"]
    assert result["fusion_route"]["step"] == "switched"


def test_without_a_checkpointer_the_messages_say_who_has_the_conversation() -> None:
    made = agent(router(two(), classifier=WordClassifier({"small": 0.5, "large": 0.49}, std=0.2)))
    before = made.invoke(ask("for large"))["messages"]
    assert authors(made.invoke(ask("and now?", *before))) == ["large", "large"]


def test_a_conversation_of_which_nothing_is_left_is_routed_freely() -> None:
    classifier = WordClassifier({"small": 0.5, "large": 0.49}, std=0.2)
    made = agent(router(two(), classifier=classifier), checkpointer=InMemorySaver())
    made.invoke(ask("for large"), THREAD)
    forget = RemoveMessage(id=REMOVE_ALL_MESSAGES)
    result = made.invoke(ask("and now?", forget), THREAD)
    assert authors(result) == ["small"]
    assert result["fusion_route"]["step"] == "routed"


def test_the_lost_cache_weighs_more_the_longer_the_conversation_is() -> None:
    def second(filler: int) -> str:
        price = {"price": {"input": 2.0, "output": 8.0}}
        models = {name: {"model": model, **price} for name, model in two().items()}
        classifier = WordClassifier({"small": 0.55, "large": 0.5})
        made = agent(router(models, classifier=classifier, objective="performance=1,cost=0.5"))
        before = made.invoke(ask("for large " + "word " * filler))["messages"]
        return authors(made.invoke(ask("and now?", *before)))[-1]

    assert (second(0), second(500)) == ("small", "large")


# -- abilities ------------------------------------------------------------------------------------


def test_only_models_that_call_tools_are_given_tools() -> None:
    models = {**two(), "small": {"model": FakeChatModel(model="small"), "tools": False}}
    assert authors(agent(router(models), tools=[weather]).invoke(ask("hello small"))) == ["large"]
    assert authors(agent(router(models)).invoke(ask("hello small"))) == ["small"]


def test_pictures_go_to_models_that_see() -> None:
    models = {
        "blind": {"model": FakeChatModel(model="blind"), "vision": False},
        "large": FakeChatModel(model="large"),
    }
    picture = {"type": "image", "url": "https://example.org/cat.png"}
    content: Any = [{"type": "text", "text": "What does blind see?"}, picture]
    result = agent(router(models)).invoke({"messages": [HumanMessage(content)]})
    assert authors(result) == ["large"]


def test_nobody_able_is_an_error_that_says_why() -> None:
    models = {"small": {"model": FakeChatModel(model="small"), "tools": False}}
    with pytest.raises(RouteError, match="small cannot call tools"):
        agent(router(models), tools=[weather]).invoke(ask("hello"))


# -- structured output ----------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", [ToolStrategy, ProviderStrategy, None])
async def test_structured_output_comes_from_the_chosen_model(strategy: Any) -> None:
    wanted = strategy(Forecast) if strategy else Forecast
    made = agent(router(two()), tools=[weather], response_format=wanted)
    for result in (made.invoke(ask("large")), await made.ainvoke(ask("large"))):
        assert isinstance(result["structured_response"], Forecast)
        assert result["fusion_route"]["answered_by"] == "large@direct"


def test_models_without_structured_output_are_left_out_of_a_provider_strategy() -> None:
    models = {
        "small": {"model": FakeChatModel(model="small"), "structured_output": False},
        "large": FakeChatModel(model="large"),
    }
    result = agent(router(models), response_format=ProviderStrategy(Forecast)).invoke(ask("small"))
    assert result["fusion_route"]["answered_by"] == "large@direct"


@pytest.mark.parametrize("use_async", [False, True])
async def test_an_answer_that_does_not_fit_the_schema_is_asked_for_again(use_async: bool) -> None:
    answers = says(AIMessage("no"), AIMessage('{"city": "a", "sunny": true}'))
    models = {"small": FakeChatModel(model="small", answer=answers)}
    made = agent(router(models), response_format=ProviderStrategy(Forecast))
    result = await made.ainvoke(ask("?")) if use_async else made.invoke(ask("?"))
    assert result["structured_response"] == Forecast(city="a", sunny=True)
    assert [a["error"] for a in result["fusion_route"]["attempts"]] == ["malformed", None]


# -- failures -------------------------------------------------------------------------------------


async def test_a_failing_model_is_replaced_along_the_ranking() -> None:
    for use_async in (False, True):
        models = two()
        models["small"] = FakeChatModel(model="small", error=ValueError("gone"))
        made = agent(router(models))
        result = await made.ainvoke(ask("small")) if use_async else made.invoke(ask("small"))
        assert authors(result) == ["large"]
        assert result["fusion_route"]["step"] == "fell back"


def test_a_passing_fault_is_met_by_asking_again() -> None:
    models = two()
    models["small"] = FakeChatModel(model="small", error=[ConnectionError("reset")])
    result = agent(router(models)).invoke(ask("small"))
    assert authors(result) == ["small"]
    assert [a["error"] for a in result["fusion_route"]["attempts"]] == ["connection", None]


async def test_if_nobody_answers_every_attempt_is_named() -> None:
    made = agent(router(two(error=ValueError("gone"))))
    with pytest.raises(AnswerError, match=r"small@direct.*large@direct") as failure:
        made.invoke(ask("small"))
    assert len(failure.value.attempts) == 2
    with pytest.raises(AnswerError):
        await made.ainvoke(ask("small"))


def test_a_slow_model_is_given_up_within_the_deadline() -> None:
    models = two()
    models["small"] = FakeChatModel(model="small", delay=5.0)
    policy = QUICK.model_copy(update={"attempt_timeout": 0.2, "attempts_per_arm": 1})
    assert authors(agent(router(models, policy=policy)).invoke(ask("small"))) == ["large"]


# -- streaming, other middleware, interrupts ------------------------------------------------------


async def test_tokens_are_streamed_once_each() -> None:
    made = agent(router(two(answer="one two three")))
    sync = [chunk for chunk, _ in made.stream(ask("large"), stream_mode="messages")]
    later = [chunk async for chunk, _ in made.astream(ask("large"), stream_mode="messages")]
    for chunks in (sync, later):
        assert all(isinstance(chunk, AIMessageChunk) for chunk in chunks)
        assert "".join(str(chunk.content) for chunk in chunks) == "one two three"
        assert len(chunks) > 2


def test_other_middleware_sees_the_chosen_model_and_may_change_the_answer() -> None:
    seen: list[str] = []

    class Inner(AgentMiddleware[Any, Any]):
        def wrap_model_call(self, request: Any, handler: Any) -> Any:
            seen.append(request.model.model)
            return handler(request)

    class Outer(AgentMiddleware[Any, Any]):
        def wrap_model_call(self, request: Any, handler: Any) -> Any:
            response = handler(request)
            response.result[0].content += "!"
            return response

    middleware = router(two(answer="Ok"))
    made = agent(middleware, Inner())
    assert made.invoke(ask("large"))["messages"][-1].content == "Ok"
    assert seen == ["large"]


def test_other_middleware_that_gives_no_message_is_a_failure() -> None:
    class Mute(AgentMiddleware[Any, Any]):
        def wrap_model_call(self, request: Any, handler: Any) -> Any:
            return ModelResponse(result=[])

    with pytest.raises(AnswerError, match="gave no message of a model"):
        agent(router(two()), Mute()).invoke(ask("large"))


def test_an_interrupt_in_other_middleware_is_no_failure_and_can_be_resumed() -> None:
    class Careful(AgentMiddleware[Any, Any]):
        def wrap_model_call(self, request: Any, handler: Any) -> Any:
            if interrupt("May I?") == "yes":
                return handler(request)
            return AIMessage("no", response_metadata={"model_name": "nobody"})

    classifier = WordClassifier()
    made = agent(router(two(), classifier=classifier), Careful(), checkpointer=InMemorySaver())
    assert made.invoke(ask("large"), THREAD)["__interrupt__"][0].value == "May I?"
    assert authors(made.invoke(Command(resume="yes"), THREAD)) == ["large"]


@pytest.mark.parametrize("allowed", [None, True])
def test_a_run_that_waits_for_a_human_resumes_with_its_arm(allowed: Any, tmp_path: Path) -> None:
    strict = JsonPlusSerializer(allowed_msgpack_modules=allowed)
    human = HumanInTheLoopMiddleware(interrupt_on={"weather": True})
    models = {
        "small": FakeChatModel(model="small"),
        "large": FakeChatModel(model="large", answer=says(calls_weather(), "Ok")),
    }

    def process(saver: SqliteSaver) -> Any:
        return agent(router(models), human, tools=[weather], checkpointer=saver)

    with closing(sqlite3.connect(tmp_path / "threads.db", check_same_thread=False)) as connection:
        saver = SqliteSaver(connection, serde=strict)
        assert "__interrupt__" in process(saver).invoke(ask("the weather, large"), THREAD)
        again = process(saver)
        assert again.get_state(THREAD).values["fusion_route"]["answered_by"] == "large@direct"
        resume = Command(resume={"decisions": [{"type": "approve"}]})
        result = again.invoke(resume, THREAD)
    assert authors(result) == ["large", "large"]
    assert result["fusion_route"]["step"] == "pinned"


# -- choices --------------------------------------------------------------------------------------


def test_a_run_may_name_the_model_by_configuration() -> None:
    config: Any = {"configurable": {"fusion_model": "small", "model": "not ours"}}
    assert authors(agent(router(two())).invoke(ask("large"), config)) == ["small"]


def test_a_state_that_cannot_be_read_is_as_if_it_were_not_there() -> None:
    made = agent(router(two()), checkpointer=InMemorySaver())
    made.invoke(ask("large"), THREAD)
    made.update_state(THREAD, {"fusion_route": {"arm": 3, "answered_by": ["?"]}})
    assert authors(made.invoke(ask("small"), THREAD))[-1] in ("small", "large")


def test_the_state_cannot_be_set_from_outside() -> None:
    result = agent(router(two())).invoke({**ask("large"), "fusion_route": {"arm": "small@direct"}})
    assert authors(result) == ["large"]


def test_an_unknown_way_of_routing_is_refused() -> None:
    with pytest.raises(ConfigError, match="'run' or 'call'"):
        router(two(), per="week")


def test_the_pools_first_model_serves_as_the_agents_own() -> None:
    middleware: FusionRouterMiddleware[Any, Any] = router(two())
    assert isinstance(middleware.first_model, FakeChatModel)


# -- from a log -----------------------------------------------------------------------------------


@pytest.fixture
def log(tmp_path: Path) -> Iterator[RoutingLog]:
    with RoutingLog(tmp_path / "log.db") as made:
        outcomes = make_outcomes(80)
        made.append(
            [
                LogEntry(
                    query=query,
                    arm=arm,
                    response="Ok",
                    performance=float(outcomes.performance[row, column]),
                    cost=float(outcomes.cost[row, column]),
                )
                for row, query in enumerate(outcomes.queries)
                for column, arm in enumerate(outcomes.arms)
            ]
        )
        yield made


MODELS = {f"model-{i}": FakeChatModel(model=f"model-{i}") for i in range(3)}
CODE = "python function loop recursion list"


def test_it_learns_from_a_log_and_records_what_is_answered(log: RoutingLog) -> None:
    middleware = FusionRouterMiddleware.from_log(
        log, models=MODELS, router="knn", objective="balance", record=True
    )
    before = len(list(log.scan()))
    result = agent(middleware).invoke(ask(CODE))
    kept = result["fusion_route"]
    assert (kept["router"], kept["objective"]) == ("knn", "balance")
    assert authors(result) == [kept["arm"].partition("@")[0]]
    entries = list(log.scan())[before:]
    assert [(entry.query.text, str(entry.arm)) for entry in entries] == [(CODE, kept["arm"])]


def test_it_uses_a_saved_router_and_weighs_the_cache_on_its_scale(
    log: RoutingLog, tmp_path: Path
) -> None:
    save_router(KNNRouter(k=20).fit(log.outcomes()), tmp_path / "router")
    models = {
        name: {"model": model, "price": {"input": 2.0, "output": 8.0}}
        for name, model in MODELS.items()
    }
    middleware = FusionRouterMiddleware.from_router(
        tmp_path / "router", models=models, objective="balance"
    )
    made = agent(middleware)
    first = made.invoke(ask("king empire treaty " * 3))
    second = made.invoke(ask(CODE, *first["messages"]))
    scale = middleware.steps.classifier.router.fitted.scales.cost  # type: ignore[attr-defined]
    assert scale.high > scale.low
    assert second["fusion_route"]["step"] in ("kept", "switched")


def test_it_begins_without_a_log() -> None:
    middleware = FusionRouterMiddleware.from_models(MODELS, classifier=WordClassifier())
    assert authors(agent(middleware).invoke(ask("for model-2"))) == ["model-2"]


def test_secrets_are_in_no_error() -> None:
    secret = "verysecret-123"
    broken = FakeChatModel(model="small", api_key=secret, error=ValueError(f"bad key {secret}"))
    with pytest.raises(AnswerError) as failure:
        agent(router({"small": broken})).invoke(ask("Hello"))
    assert secret not in str(failure.value)


async def test_many_runs_at_a_time_do_not_meet() -> None:
    made = agent(router(two(delay=0.01)))
    texts = [f"{number} for {'large' if number % 2 else 'small'}" for number in range(20)]
    later = await made.abatch([ask(text) for text in texts])
    for results in (later, made.batch([ask(text) for text in texts])):
        assert [result["messages"][0].content for result in results] == texts
        assert all(
            authors(result) == [text.rpartition(" ")[2]]
            for result, text in zip(results, texts, strict=True)
        )
