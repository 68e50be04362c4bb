import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import START, StateGraph
from pydantic import SecretStr, ValidationError

from fusion_agents.answering.nouns import Bindings
from fusion_agents.errors import AnswerError, ConfigError
from fusion_agents.graphs.query_level import QueryContext, build_query_level_graph, graph
from fusion_agents.graphs.state import QueryInput
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.testing.fake_chat import FakeChatModel
from fusion_agents.testing.openai_server import OpenAIServer
from fusion_agents.types import Route
from tests.graphs.parts import QUESTION, make_steps

ROOT = Path(__file__).parents[2]
THREAD: Any = {"configurable": {"thread_id": "1"}}


@pytest.fixture
def log(tmp_path: Path) -> Iterator[RoutingLog]:
    with RoutingLog(tmp_path / "routing.db") as opened:
        yield opened


def test_the_answer_is_the_last_message_and_carries_the_decision() -> None:
    state = build_query_level_graph(make_steps()).invoke(QUESTION)
    answer = state["messages"][-1]
    assert answer.content == "small was asked: How many primes are below 100?"
    assert answer.response_metadata["fusion"]["answered_by"] == "small@direct"
    assert Route.model_validate(state["route"]).arm.model == "small"
    assert state["answer"]["message_id"] == answer.id


async def test_in_an_event_loop_it_does_the_same(log: RoutingLog) -> None:
    made = build_query_level_graph(make_steps(log))
    state = await made.ainvoke(QUESTION, context=QueryContext(tenant="ours"))
    (entry,) = log.scan()
    assert [entry.key] == state["entries"]
    assert (entry.response, entry.tenant) == (state["messages"][-1].content, "ours")


def test_everything_but_the_messages_is_plain_json(log: RoutingLog) -> None:
    state = build_query_level_graph(make_steps(log)).invoke(QUESTION)
    rest = {name: value for name, value in state.items() if name != "messages"}
    assert json.loads(json.dumps(rest)) == rest
    assert rest.keys() == {"turn", "route", "answer", "entries"}


@pytest.mark.parametrize(
    "context", [{"model": "large"}, QueryContext(arm="large@direct"), {"objective": "balance"}]
)
def test_a_run_chooses_by_its_context(context: Any) -> None:
    state = build_query_level_graph(make_steps()).invoke(QUESTION, context=context)
    wanted = "balance" if isinstance(context, dict) and "objective" in context else "large"
    found = state["messages"][-1].response_metadata["fusion"]
    assert wanted in (found["objective"], found["answered_by"].partition("@")[0])


def test_a_context_with_an_unknown_name_is_refused() -> None:
    with pytest.raises(ValidationError, match="modell"):
        build_query_level_graph(make_steps()).invoke(QUESTION, context={"modell": "large"})


def test_each_token_is_streamed_once_and_those_of_the_classifier_never() -> None:
    made = build_query_level_graph(make_steps())
    parts = list(made.stream(QUESTION, stream_mode="messages"))
    text = "".join(chunk.content for chunk, _ in parts)
    assert text == "small was asked: How many primes are below 100?"
    assert len([chunk for chunk, _ in parts if chunk.content]) > 3
    assert {where["langgraph_node"] for _, where in parts} == {"answer"}
    assert len({chunk.id for chunk, _ in parts}) == 1


async def test_in_an_event_loop_each_token_is_streamed_once() -> None:
    made = build_query_level_graph(make_steps())
    chunks = [chunk async for chunk, _ in made.astream(QUESTION, stream_mode="messages")]
    text = "".join(chunk.content for chunk in chunks)
    assert text == "small was asked: How many primes are below 100?"


async def test_a_real_client_chooses_and_answers_in_a_stream() -> None:
    with OpenAIServer() as server:
        options: Any = {"base_url": server.base_url, "api_key": SecretStr("key-of-mine-123456")}
        models = {name: ChatOpenAI(model=name, **options) for name in ("small", "large")}
        made = build_query_level_graph(make_steps(chooser=models["small"], **models))
        asked = {"messages": [("user", "large@direct: 2 + 2?")]}
        chunks = [chunk async for chunk, _ in made.astream(asked, stream_mode="messages")]
        assert "".join(chunk.content for chunk in chunks) == "large was asked: large@direct: 2 + 2?"
        assert [request.body["model"] for request in server.requests] == ["small", "large"]


def test_updates_come_node_by_node() -> None:
    updates = list(build_query_level_graph(make_steps()).stream(QUESTION, stream_mode="updates"))
    assert [name for update in updates for name in update] == ["classify", "answer", "record"]


def check_conversation(states: list[dict[str, Any]], log: RoutingLog) -> None:
    first, second = states
    assert [message.type for message in second["messages"]] == ["human", "ai"] * 2
    assert first["turn"]["key"] != second["turn"]["key"]
    assert [*first["entries"], *second["entries"]] == [entry.key for entry in log.scan()]


@pytest.mark.parametrize("kind", ["memory", "file"])
def test_a_conversation_goes_on_over_several_turns(
    log: RoutingLog, tmp_path: Path, kind: str
) -> None:
    models = {"small": FakeChatModel(model="small")}
    with SqliteSaver.from_conn_string(str(tmp_path / "graph.db")) as file:
        saver = InMemorySaver() if kind == "memory" else file
        made = build_query_level_graph(make_steps(log, **models), checkpointer=saver)
        check_conversation([made.invoke(QUESTION, THREAD) for _ in range(2)], log)
    assert len(models["small"].received[1].messages) == 3


async def test_a_conversation_goes_on_in_an_event_loop(log: RoutingLog, tmp_path: Path) -> None:
    async with AsyncSqliteSaver.from_conn_string(str(tmp_path / "graph.db")) as saver:
        made = build_query_level_graph(make_steps(log), checkpointer=saver)
        check_conversation([await made.ainvoke(QUESTION, THREAD) for _ in range(2)], log)


def test_checkpoints_are_read_back_in_strict_mode(tmp_path: Path) -> None:
    script = f"""
import warnings
warnings.simplefilter("error")
from langgraph.checkpoint.sqlite import SqliteSaver
from fusion_agents.graphs.query_level import build_query_level_graph
from fusion_agents.stores.routing_log import RoutingLog
from tests.graphs.parts import QUESTION, make_steps
thread = {{"configurable": {{"thread_id": "1"}}}}
for turn in (1, 2):
    with SqliteSaver.from_conn_string({str(tmp_path / "graph.db")!r}) as saver:
        with RoutingLog({str(tmp_path / "routing.db")!r}) as log:
            graph = build_query_level_graph(make_steps(log), checkpointer=saver)
            before = graph.invoke(QUESTION, thread)
        assert graph.get_state(thread).values == before
        assert [type(message).__name__ for message in before["messages"]] == [
            "HumanMessage", "AIMessage"] * turn
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={**os.environ, "LANGGRAPH_STRICT_MSGPACK": "true"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def failing(times: int, model: str = "small") -> FakeChatModel:
    return FakeChatModel(model=model, error=[ValueError("no such thing")] * times)


def test_a_failing_arm_falls_back_and_both_attempts_are_recorded(log: RoutingLog) -> None:
    steps = make_steps(log, small=failing(1), large=FakeChatModel(model="large"))
    state = build_query_level_graph(steps).invoke(QUESTION)
    assert state["messages"][-1].content.startswith("large")
    assert [entry.key for entry in log.scan()] == state["entries"]
    assert [(entry.arm.model, entry.error is None) for entry in log.scan()] == [
        ("small", False),
        ("large", True),
    ]


def test_a_query_that_nobody_answers_is_recorded_and_not_tried_again(log: RoutingLog) -> None:
    small = failing(9)
    made = build_query_level_graph(make_steps(log, small=small))
    with pytest.raises(AnswerError, match="small@direct"):
        made.invoke(QUESTION)
    assert (small.calls, log.count()) == (1, 1)


async def test_a_run_that_failed_can_go_on_and_nothing_of_it_is_lost(log: RoutingLog) -> None:
    steps = make_steps(log, small=failing(1))
    made = build_query_level_graph(steps, checkpointer=InMemorySaver())
    with pytest.raises(AnswerError):
        await made.ainvoke(QUESTION, THREAD, context=QueryContext(tenant="ours"))
    state = await made.ainvoke(None, THREAD)
    assert state["messages"][-1].content.startswith("small")
    assert [(entry.error is None, entry.tenant) for entry in log.scan()] == [
        (False, "ours"),
        (True, "ours"),
    ]


def test_a_key_that_a_provider_repeats_is_in_no_checkpoint(log: RoutingLog, tmp_path: Path) -> None:
    key = "key-of-mine-123456"
    model = FakeChatModel(api_key=SecretStr(key), error=ValueError(f"who is {key}?"))
    with SqliteSaver.from_conn_string(str(tmp_path / "graph.db")) as saver:
        made = build_query_level_graph(make_steps(log, small=model), checkpointer=saver)
        with pytest.raises(AnswerError, match="who is"):
            made.invoke(QUESTION, THREAD)
        written = b"".join(file.read_bytes() for file in tmp_path.glob("*.db*"))
    assert b"who is" in written
    assert key.encode() not in written


def test_an_attempt_that_breaks_off_is_told_apart_in_the_stream() -> None:
    broken = FakeChatModel(model="small", error=[ConnectionError("cut")], error_after=2)
    steps = make_steps(small=broken, large=FakeChatModel(model="large"))
    parts = list(build_query_level_graph(steps).stream(QUESTION, stream_mode="messages"))
    texts = {chunk.id: "" for chunk, _ in parts}
    for chunk, _ in parts:
        texts[chunk.id] += chunk.content
    assert list(texts.values()) == ["small was", "large was asked: How many primes are below 100?"]


def test_tools_and_options_reach_the_chosen_model_which_stays_until_the_tool_is_done() -> None:
    @tool
    def count_primes(below: int) -> int:
        """Count primes."""
        return below

    made = build_query_level_graph(
        make_steps(), bindings=Bindings(tools=(count_primes,)), checkpointer=InMemorySaver()
    )
    state = made.invoke({"messages": [("user", "large@direct: count_primes below 9")]}, THREAD)
    (call,) = state["messages"][-1].tool_calls
    result = ToolMessage("4, says small@direct", tool_call_id=call["id"])
    again = made.invoke({"messages": [result]}, THREAD)
    assert again["messages"][-1].content == "large was told: 4, says small@direct"
    assert again["turn"]["arms"] == ["large@direct"]


def test_it_can_be_a_node_of_another_graph(log: RoutingLog) -> None:
    inner = build_query_level_graph(make_steps(log), name="answering")
    outer = StateGraph(QueryInput, context_schema=QueryContext)
    outer.add_node("answering", inner)
    outer.add_edge(START, "answering")
    compiled = outer.compile(checkpointer=InMemorySaver())
    state = compiled.invoke(QUESTION, THREAD, context=QueryContext(model="large"))
    assert [type(message) for message in state["messages"]] == [HumanMessage, AIMessage]
    assert state["messages"][-1].content.startswith("large")
    assert log.count() == 1


def test_the_exported_graph_opens_with_nothing_set_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FUSION_AGENTS_MODELS", raising=False)
    assert set(graph.get_graph().nodes) >= {"classify", "answer", "record"}
    assert "objective" in graph.get_context_jsonschema()["properties"]  # type: ignore[index]
    assert graph.get_input_jsonschema()["properties"].keys() == {"messages"}
    with pytest.raises(ConfigError, match="set FUSION_AGENTS_MODELS"):
        graph.invoke(QUESTION)


def test_langgraph_json_names_graphs_that_exist() -> None:
    settings = json.loads((ROOT / "langgraph.json").read_text())
    for where in settings["graphs"].values():
        module, _, name = where.partition(":")
        assert hasattr(vars(import_module(module))[name], "invoke")


def test_the_picture_in_the_documentation_is_true() -> None:
    drawn = build_query_level_graph(make_steps()).get_graph().draw_mermaid()
    without_looks = "\n".join(
        line for line in drawn.split("---")[-1].strip().splitlines() if "classDef" not in line
    )
    page = (ROOT / "docs" / "graphs.md").read_text(encoding="utf-8")
    assert f"```mermaid\n{without_looks}\n```" in page
