"""The model level as a graph: a provider on loopback trains a student that somebody agreed to."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from fusion_agents.distill import stages
from fusion_agents.distill.plan import Plan
from fusion_agents.errors import ConfigError, DataError, EmptyLogError
from fusion_agents.graphs.model_level import build_model_level_graph
from fusion_agents.pool.pool import Pool
from fusion_agents.simulation import simulate_log
from fusion_agents.stores.log_filter import LogFilter
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.testing.openai_behaviour import Behaviour, Request
from fusion_agents.testing.openai_server import OpenAIServer

BASE = "gpt-4o-mini-2024-07-18"
KEY = "sk-test-0123456789abcdefghij"
QUICK = {"poll": 0.005, "poll_most": 0.02, "timeout": 5, "settle": 0.1, "unreachable": 5}
N_QUESTIONS = 150


class World:
    """A log, and a provider whose fine-tuned models know what its other models do not."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tuned_knows = True
        self.answers: dict[str, str] = {}
        with RoutingLog(folder / "routing.db") as log:
            log.append(simulate_log(N_QUESTIONS))
            self.answers = {query.text: str(query.ground_truth) for query in log.queries()}
        self.server = OpenAIServer(self.answer)

    def answer(self, request: Request) -> Behaviour:
        tuned = request.model.startswith("ft:") and self.tuned_knows
        return Behaviour(text=self.answers[request.text] if tuned else "I do not know.")

    def plan(self, **changes: Any) -> dict[str, Any]:
        job = {**QUICK, "base_url": self.server.base_url, "api_key_env": "LOOPBACK_KEY"}
        plan = Plan.model_validate(
            {
                "log": str(self.folder / "routing.db"),
                "base": BASE,
                "out": str(self.folder / "out"),
                "name": "pupil",
                "provider": "openai",
                "job": job,
                "models": str(self.folder / "models.toml"),
                "selection": {"k": 1},
                **changes,
            }
        )
        return plan.model_dump(mode="json")

    def entries_of(self, model: str) -> int:
        with RoutingLog(self.folder / "routing.db") as log:
            return log.count(LogFilter(models=(model,)))


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("LOOPBACK_KEY", KEY)
    made = World(tmp_path)
    with made.server:
        yield made


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
async def test_a_student_that_helps_is_trained_compared_recorded_and_registered(
    world: World, how: str
) -> None:
    graph = build_model_level_graph(checkpointer=InMemorySaver())
    thread: Any = {"configurable": {"thread_id": "1"}}

    async def go(given: Any) -> dict[str, Any]:
        if how == "invoke":
            return graph.invoke(given, thread)
        return await graph.ainvoke(given, thread)

    stopped = await go({"plan": world.plan()})
    (asked,) = stopped["__interrupt__"]
    assert asked.value["question"] == "Go on?"
    assert asked.value["estimate"]["n_examples"] == stopped["data"]["n_examples"]
    assert asked.value["estimate"]["tokens"] > 0
    assert not world.server.tuning.jobs  # nothing is spent before somebody agrees
    assert world.server.hits == 0

    done = await go(Command(resume=True))
    assert len(world.server.tuning.jobs) == 1
    (comparison,) = done["comparisons"]
    assert comparison["overall"]["finding"] == "helped"
    assert comparison["overall"]["student"]["performance"] == 1.0
    assert comparison["overall"]["base"]["performance"] == 0.0
    assert done["registrations"][0]["registered"]
    assert "pupil" in Pool.from_toml(world.folder / "models.toml").models
    assert world.entries_of("pupil") == comparison["recorded"]["new"] > 0
    json.dumps({key: value for key, value in done.items() if key != "__interrupt__"})


def test_nothing_is_spent_when_somebody_does_not_agree(world: World) -> None:
    graph = build_model_level_graph(checkpointer=InMemorySaver())
    for number, answer in enumerate((False, "no", "maybe", {"approved": False}, 1)):
        thread: Any = {"configurable": {"thread_id": str(number)}}
        graph.invoke({"plan": world.plan()}, thread)
        done = graph.invoke(Command(resume=answer), thread)
        assert done["approved"] is False
        assert "students" not in done
    assert world.server.hits == 0


def test_a_student_that_does_not_help_is_not_registered_and_the_reason_is_said(
    world: World,
) -> None:
    world.tuned_knows = False
    graph = build_model_level_graph(checkpointer=InMemorySaver())
    thread: Any = {"configurable": {"thread_id": "1"}}
    graph.invoke({"plan": world.plan()}, thread)
    done = graph.invoke(Command(resume="yes"), thread)
    assert not done["registrations"][0]["registered"]
    assert "certainly better" in done["registrations"][0]["reason"]
    assert not (world.folder / "models.toml").exists()


def test_a_second_run_of_the_same_plan_trains_and_asks_nothing_again(world: World) -> None:
    graph = build_model_level_graph(checkpointer=InMemorySaver())
    finished = []
    for number in (1, 2):
        thread: Any = {"configurable": {"thread_id": str(number)}}
        graph.invoke({"plan": world.plan(record=False)}, thread)
        finished.append(graph.invoke(Command(resume=True), thread))
        if number == 1:
            hits = world.server.hits
    assert world.server.hits == hits
    assert finished[0]["students"] == finished[1]["students"]
    assert finished[0]["comparisons"] == finished[1]["comparisons"]


def test_test_queries_teach_nothing(world: World) -> None:
    graph = build_model_level_graph(checkpointer=InMemorySaver())
    thread: Any = {"configurable": {"thread_id": "1"}}
    graph.invoke({"plan": world.plan()}, thread)
    done = graph.invoke(Command(resume=True), thread)
    rows = (world.folder / "out" / "data" / "examples.jsonl").read_text().splitlines()
    taught = {json.loads(row)["query"]["id"] for row in rows}
    asked = done["comparisons"][0]
    assert asked["left_out"]["trained"] == asked["left_out"]["near_duplicates"] == 0
    assert not taught & set(asked["recorded"]["kept_back"])


def test_progress_can_be_streamed(world: World) -> None:
    graph = build_model_level_graph(checkpointer=InMemorySaver())
    thread: Any = {"configurable": {"thread_id": "1"}}
    graph.invoke({"plan": world.plan()}, thread)
    told = list(graph.stream(Command(resume=True), thread, stream_mode="custom"))
    phases = list(dict.fromkeys(one["train"]["phase"] for one in told))
    assert phases[0] == "reading"
    assert phases[-1] == "done"


def test_a_log_that_cannot_be_told_of_the_student_is_refused_at_once(world: World) -> None:
    file = world.folder / "log.jsonl"
    file.write_text("".join(f"{entry.model_dump_json()}\n" for entry in simulate_log(20)))
    graph = build_model_level_graph(checkpointer=InMemorySaver())
    with pytest.raises(ConfigError, match="import it into a database"):
        graph.invoke({"plan": world.plan(log=str(file))}, {"configurable": {"thread_id": "1"}})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "takes a plan"),
        ({"plan": {"log": "routing.db"}}, "the plan is wrong: base: field required"),
        ({"plan": {"log": "nowhere.db", "base": "b", "out": "o"}}, "nowhere.db"),
    ],
)
def test_a_plan_that_is_none_is_refused_by_name(given: dict[str, Any], message: str) -> None:
    with pytest.raises((ConfigError, DataError), match=message):
        build_model_level_graph(checkpointer=InMemorySaver()).invoke(
            given, {"configurable": {"thread_id": "1"}}
        )


def test_what_is_refused_while_somebody_is_asked_is_taught_to_nobody(world: World) -> None:
    graph = build_model_level_graph(checkpointer=InMemorySaver())
    thread: Any = {"configurable": {"thread_id": "1"}}
    with RoutingLog(world.folder / "routing.db") as log:
        guests = [
            entry.model_copy(update={"source": "guest", "key": f"guest {entry.key}"})
            for entry in log.scan(LogFilter(tasks=("units",)))
        ]
        log.forget(sources=["simulated"])
        log.append(entry for entry in simulate_log(N_QUESTIONS) if entry.query.task != "units")
        log.append(guests)
    graph.invoke({"plan": world.plan()}, thread)
    rows = (world.folder / "out" / "data" / "examples.jsonl").read_text()
    assert '"guest"' in rows
    with RoutingLog(world.folder / "routing.db") as log:
        log.set_consent("source", "guest", allowed=False)
    graph.invoke(Command(resume=True), thread)
    (upload,) = world.server.tuning.files.values()
    asked = [json.loads(row)["messages"][0]["content"] for row in upload.splitlines()]
    assert asked
    refused = {entry.query.text for entry in guests}
    assert not refused & set(asked)
    assert not refused & {one.text for one in world.server.requests}


def test_what_is_refused_before_the_export_is_written_to_no_file(world: World) -> None:
    plan = Plan.model_validate(world.plan(formats=("openai-chat",)))
    with RoutingLog(world.folder / "routing.db") as log:
        some = [entry for entry in log.scan() if entry.query.task == "units"]
        log.append(
            entry.model_copy(update={"source": "guest", "key": f"guest {entry.key}"})
            for entry in some
        )
        log.set_consent("source", "simulated", allowed=False)
    before = stages.select(plan).n_examples
    assert before
    with RoutingLog(world.folder / "routing.db") as log:
        log.set_consent("source", "simulated", allowed=True)
        log.set_consent("source", "guest", allowed=False)
    with pytest.raises(EmptyLogError):
        stages.export(plan)


def test_another_plan_does_not_touch_the_data_of_a_student_that_is_there(world: World) -> None:
    graph = build_model_level_graph(checkpointer=InMemorySaver())
    thread: Any = {"configurable": {"thread_id": "1"}}
    graph.invoke({"plan": world.plan()}, thread)
    graph.invoke(Command(resume=True), thread)
    data = (world.folder / "out" / "data" / "examples.jsonl").read_bytes()
    with pytest.raises(ConfigError, match="name another out"):
        graph.invoke({"plan": world.plan(selection={"k": 2})}, {"configurable": {"thread_id": "2"}})
    assert (world.folder / "out" / "data" / "examples.jsonl").read_bytes() == data


def test_the_log_is_told_what_the_student_costs(world: World) -> None:
    graph = build_model_level_graph(checkpointer=InMemorySaver())
    thread: Any = {"configurable": {"thread_id": "1"}}
    graph.invoke({"plan": world.plan(price={"input": 1.0, "output": 4.0})}, thread)
    graph.invoke(Command(resume=True), thread)
    with RoutingLog(world.folder / "routing.db") as log:
        costs = [entry.cost for entry in log.scan(LogFilter(models=("pupil",)))]
    assert costs
    assert all(cost is not None and cost > 0 for cost in costs)
