import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver

from fusion_agents.answering.policy import AnswerPolicy
from fusion_agents.chain import FusionRouterChain
from fusion_agents.errors import ConfigError
from fusion_agents.graphs.query_level import QueryContext
from fusion_agents.graphs.thought_level import build_thought_level_graph, graph
from fusion_agents.steps.query_steps import QuerySteps
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.stores.template_store import TemplateStore
from fusion_agents.testing.fake_chat import FakeChatModel
from fusion_agents.types import ThoughtTemplate

ASKED: Any = {"messages": [("user", "small@thought: How many primes lie below 100?")]}
PLAIN: Any = {"messages": [("user", "small@direct: How many primes lie below 100?")]}
THREAD: Any = {"configurable": {"thread_id": "1"}}
HASTY = AnswerPolicy(attempts_per_arm=1, first_backoff=0, max_backoff=0)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[RoutingLog]:
    with RoutingLog(tmp_path / "routing.db") as opened:
        TemplateStore(opened).add(
            ThoughtTemplate(
                problem=f"Count for {tenant}.",
                question="How many squares lie below 90?",
                query_id="squares",
                tenant=tenant,
            )
            for tenant in ("default", "ours")
        )
        yield opened


def make(
    log: RoutingLog,
    model: FakeChatModel | None = None,
    strategies: Sequence[str] = ("direct", "thought"),
) -> QuerySteps:
    """Steps whose classifier picks the arm that the query names."""
    small = model or FakeChatModel(model="small")
    models = {
        "small": {"model": small, "strategies": list(strategies)},
        "large": {"model": FakeChatModel(model="large"), "strategies": ["thought"]},
    }
    return FusionRouterChain.from_models(models, record=log, policy=HASTY).steps


def shown(state: dict[str, Any]) -> list[str]:
    return [template["problem"] for template in state["templates"]]


def test_templates_are_looked_up_between_choosing_and_answering(log: RoutingLog) -> None:
    model = FakeChatModel(model="small")
    updates = list(build_thought_level_graph(make(log, model)).stream(ASKED, stream_mode="updates"))
    names = [name for update in updates for name in update]
    assert names == ["classify", "retrieve", "answer", "record"]
    assert shown(updates[1]["retrieve"]) == ["Count for default."]
    assert "Count for default." in str(model.received[-1].messages[-1].content)


async def test_in_an_event_loop_a_run_sees_the_templates_of_its_tenant(log: RoutingLog) -> None:
    made = build_thought_level_graph(make(log))
    state = await made.ainvoke(ASKED, context=QueryContext(tenant="ours"))
    assert shown(state) == ["Count for ours."]
    (entry,) = log.scan()
    assert entry.template_ids == (state["templates"][0]["id"],)
    assert state["answer"]["template_ids"] == list(entry.template_ids)


def test_an_arm_that_shows_no_templates_looks_none_up(log: RoutingLog) -> None:
    state = build_thought_level_graph(make(log)).invoke(PLAIN)
    assert state["templates"] is None
    assert [entry.template_ids for entry in log.scan()] == [()]


def test_everything_but_the_messages_is_plain_json(log: RoutingLog) -> None:
    state = build_thought_level_graph(make(log)).invoke(ASKED)
    rest = {name: value for name, value in state.items() if name != "messages"}
    assert json.loads(json.dumps(rest)) == rest


def test_the_next_turn_does_not_keep_the_templates_of_the_last(log: RoutingLog) -> None:
    made = build_thought_level_graph(make(log), checkpointer=InMemorySaver())
    assert made.invoke(ASKED, THREAD)["templates"]
    assert made.invoke(PLAIN, THREAD)["templates"] is None


def test_a_run_that_goes_on_shows_what_was_looked_up_before(
    log: RoutingLog, tmp_path: Path
) -> None:
    with SqliteSaver.from_conn_string(str(tmp_path / "checkpoints.db")) as saver:
        stopped = build_thought_level_graph(make(log), checkpointer=saver)
        stopped.invoke(ASKED, THREAD, interrupt_after=["retrieve"])
        store = TemplateStore(log)
        store.retire([template.id for template in store.scan("default")], "a test")

        model = FakeChatModel(model="small")
        state = build_thought_level_graph(make(log, model), checkpointer=saver).invoke(None, THREAD)

    assert "Count for default." in str(model.received[-1].messages[-1].content)
    (entry,) = log.scan()
    assert list(entry.template_ids) == state["answer"]["template_ids"] != []


def test_a_fallback_shows_the_same_templates(log: RoutingLog) -> None:
    broken = FakeChatModel(model="small", error=ValueError("no such thing"))
    state = build_thought_level_graph(make(log, broken, ["thought"])).invoke(ASKED)
    found = state["messages"][-1].response_metadata["fusion"]
    assert found["answered_by"] == "large@thought"
    assert found["template_ids"] == [template["id"] for template in state["templates"]]


def test_the_exported_graph_opens_with_nothing_set_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FUSION_AGENTS_MODELS", raising=False)
    assert "retrieve" in graph.get_graph().nodes
    with pytest.raises(ConfigError, match="set FUSION_AGENTS_MODELS"):
        graph.invoke(ASKED)


def test_the_picture_in_the_documentation_is_true() -> None:
    drawn = graph.get_graph().draw_mermaid()
    without_looks = "\n".join(
        line for line in drawn.split("---")[-1].strip().splitlines() if "classDef" not in line
    )
    page = Path(__file__).parents[2] / "docs" / "graphs.md"
    assert f"```mermaid\n{without_looks}\n```" in page.read_text(encoding="utf-8")
