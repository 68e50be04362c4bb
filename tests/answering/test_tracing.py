"""What callbacks see of a call."""

from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler, CallbackManager
from langchain_core.runnables import RunnableLambda
from langchain_core.tracers.base import BaseTracer
from langchain_core.tracers.schemas import Run

from fusion_agents.answering.answerer import Answerer
from fusion_agents.answering.policy import AnswerPolicy
from fusion_agents.pool.pool import Pool
from fusion_agents.testing.fake_chat import FakeChatModel
from tests.answering.asking import WAYS, Way, ask, call_of

QUICK = AnswerPolicy(first_backoff=0.0, attempts_per_arm=1)
every_way = pytest.mark.parametrize("way", WAYS)


class Collector(BaseTracer):
    """Keeps the roots of all runs."""

    def __init__(self) -> None:
        super().__init__()
        self.runs: list[Run] = []

    def _persist_run(self, run: Run) -> None:
        self.runs.append(run)


def answerer() -> Answerer:
    return Answerer(
        Pool({"a": FakeChatModel(error=TimeoutError("slow")), "b": FakeChatModel()}), QUICK
    )


@every_way
async def test_each_attempt_is_a_run_that_says_whose_it_is(way: Way) -> None:
    collector = Collector()
    call = call_of("a", "b@think", tags=("mine",), metadata={"route": "r1"})
    config = {"callbacks": [collector], "tags": ["outer"], "metadata": {"user": "u"}}

    await ask(answerer(), way, call, {**config, "run_name": "the caller's"})

    first, second = collector.runs
    assert {"fusion", "arm:a@direct", "mine", "outer"} <= set(first.tags or ())
    assert "arm:b@think" in (second.tags or ())
    assert first.name == second.name == "FakeChatModel"
    expected = {"fusion_arm": "b@think", "fusion_attempt": 2, "route": "r1", "user": "u"}
    assert expected.items() <= second.metadata.items()
    assert first.error
    assert not second.error
    assert call.metadata == {"route": "r1"}
    assert config["tags"] == ["outer"]


@every_way
async def test_attempts_are_children_of_the_run_around_them(way: Way) -> None:
    collector = Collector()

    async def step(_: str) -> str:
        return str((await ask(answerer(), way, call_of("a", "b"))).answer.message.content)

    await RunnableLambda(step).ainvoke("x", {"callbacks": [collector], "tags": ["outer"]})

    (root,) = collector.runs
    assert [child.name for child in root.child_runs] == ["FakeChatModel"] * 2
    assert "outer" in (root.child_runs[0].tags or ())


async def test_a_callback_manager_is_passed_on_and_not_changed() -> None:
    collector = Collector()
    manager = CallbackManager([collector], [collector])

    await ask(answerer(), "answer", call_of("a", "b"), {"callbacks": manager})

    assert len(collector.runs) == 2
    assert manager.handlers == manager.inheritable_handlers == [collector]


async def test_a_run_id_of_the_caller_is_not_used_twice() -> None:
    collector = Collector()
    ids: list[Any] = []

    class Ids(BaseCallbackHandler):
        def on_llm_end(self, response: Any, *, run_id: Any, **further: Any) -> None:
            ids.append(run_id)

    await ask(
        answerer(),
        "answer",
        call_of("a", "b"),
        {"callbacks": [collector, Ids()], "run_id": "01a2029a-240f-71cf-8bdb-5a20ead2547a"},
    )

    assert len({run.id for run in collector.runs} | set(ids)) == 2
