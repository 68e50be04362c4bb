"""A tiny real Llama learns one family of questions from a log, by the whole graph, on this CPU.

The base was taught other families. Its teachers are SIMULATED models, right and wrong; training is
real (TRL and PEFT), and so are the student's answers, the comparison and the router.
"""

import asyncio
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

pytest.importorskip("trl")

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from fusion_agents.distill.comparing.comparison import Comparison, Contrast
from fusion_agents.distill.data.dataset import Dataset, read_dataset
from fusion_agents.distill.plan import Plan
from fusion_agents.distill.selecting.holding_out import held_out_queries
from fusion_agents.distill.selecting.options import SelectionOptions
from fusion_agents.distill.training.options import TrainingOptions
from fusion_agents.graphs.model_level import build_model_level_graph
from fusion_agents.near_duplicates import near_duplicate_groups
from fusion_agents.pool.pool import Pool
from fusion_agents.routers.catalogue import make_router
from fusion_agents.simulation import generate_questions, simulate_log
from fusion_agents.simulation.log import to_query
from fusion_agents.simulation.questions import FAMILIES
from fusion_agents.simulation.responses import exact_match
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.testing.tiny_llama import make_tiny_llama
from fusion_agents.types import Arm

LEARNED = "triage"
PUPIL = Arm(model="pupil")


class World(NamedTuple):
    """What one distillation left behind."""

    log: Path
    models: Path
    out: Path
    state: dict[str, Any]

    @property
    def comparison(self) -> Comparison:
        (found,) = self.state["comparisons"]
        return Comparison.model_validate(found)

    @property
    def rows(self) -> dict[str, Contrast]:
        return {row.task or "": row for row in self.comparison.tasks}

    @property
    def data(self) -> Dataset:
        return read_dataset(self.out / "data")


def distil(folder: Path, seed: int = 0) -> World:
    """Teach a base, simulate its teachers, and run the graph, somebody agreeing."""
    base = make_tiny_llama(folder / "base", seed=seed)
    path = folder / "routing.db"
    with RoutingLog(path) as log:
        log.append(simulate_log(1_000, seed, families=(LEARNED,)))
        log.append(simulate_log(480, seed))
    plan = Plan(
        log=str(path),
        base=str(base),
        out=str(folder / "out"),
        name=PUPIL.model,
        selection=SelectionOptions(tasks=(LEARNED,), k=1, max_characters=30),
        training=TrainingOptions(
            learning_rate=5e-3, epochs=12, batch=16, accumulation=1, seed=seed, threads=1
        ),
        max_tokens=32,
        record_share=0.7,
        models=str(folder / "models.toml"),
    )
    graph, thread = build_model_level_graph(checkpointer=InMemorySaver()), "1"
    run: Any = {"configurable": {"thread_id": thread}}
    graph.invoke({"plan": plan.model_dump(mode="json")}, run)
    state = graph.invoke(Command(resume=True), run)
    return World(path, folder / "models.toml", folder / "out", state)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return distil(tmp_path_factory.mktemp("end-to-end"))


def test_the_student_answers_what_its_base_cannot(world: World) -> None:
    row = world.rows[LEARNED]
    assert row.n > 80
    assert row.base.performance is not None
    assert row.student.performance is not None
    assert row.base.performance < 0.2
    assert row.student.performance >= 0.8


def test_the_comparison_says_that_it_helped_there_and_nowhere_else(world: World) -> None:
    assert set(world.rows) == {*FAMILIES, LEARNED}
    assert world.rows[LEARNED].finding == "helped"
    assert world.comparison.found("helped") == (LEARNED,)
    assert world.comparison.complete
    assert world.comparison.errors == {}


def test_it_learned_right_answers_of_its_teachers_alone(world: World) -> None:
    data = world.data.data
    assert len(data.examples) > 200
    with RoutingLog(world.log) as log:
        entries = {entry.key: entry for entry in log.scan()}
    for example in data.examples:
        assert example.entry_keys
        for entry in (entries[key] for key in example.entry_keys):
            assert (entry.query.task, entry.source) == (LEARNED, "simulated")
            assert exact_match(example.answer, str(entry.query.ground_truth)) == 1.0
            assert entry.response == example.answer


def test_it_learned_no_question_that_it_was_asked(world: World) -> None:
    learned = [example.query for example in world.data.data.examples]
    with RoutingLog(world.log) as log:
        asked = held_out_queries(log)
    assert {query.id for query in learned}.isdisjoint(query.id for query in asked)
    groups = near_duplicate_groups([query.text for query in (*learned, *asked)])
    assert not set(groups[: len(learned)].tolist()) & set(groups[len(learned) :].tolist())


@pytest.mark.parametrize("name", ["knn", "auto"])
def test_a_router_gives_it_new_questions_of_that_family_and_no_others(
    world: World, name: str
) -> None:
    fresh = [to_query(one) for one in generate_questions(350, 999, (*FAMILIES, LEARNED))]
    with RoutingLog(world.log) as log:
        router = make_router(name).fit(log.training_outcomes().outcomes)
    chosen = defaultdict(list)
    for query, route in zip(fresh, router.route([query.text for query in fresh]), strict=True):
        chosen[query.task].append(route.arm == PUPIL)
    shares = {task: np.mean(is_pupil) for task, is_pupil in chosen.items()}
    assert shares.pop(LEARNED) >= 0.9
    assert max(shares.values()) <= 0.1, shares


def test_it_answers_new_questions_out_of_the_pool_that_it_was_registered_in(world: World) -> None:
    assert [one["registered"] for one in world.state["registrations"]] == [True]
    fresh = generate_questions(40, 998, (LEARNED,))
    model = Pool.from_toml(world.models).chat_model(PUPIL.model)
    replies = asyncio.run(model.abatch([question.text for question in fresh]))
    scores = [
        exact_match(str(reply.text), question.answer)
        for reply, question in zip(replies, fresh, strict=True)
    ]
    assert np.mean(scores) >= 0.8
