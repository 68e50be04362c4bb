"""The nodes of the model-level graph: the stages of a distillation, each with two faces."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextvars import copy_context
from dataclasses import asdict
from functools import cache
from typing import Any, TypeVar

from langchain_core.runnables import RunnableConfig
from langgraph.config import get_stream_writer
from langgraph.graph import END
from langgraph.types import interrupt
from pydantic import ValidationError

from fusion_agents.distill import stages
from fusion_agents.distill.comparing.comparison import Comparison
from fusion_agents.distill.data.manifest import Manifest
from fusion_agents.distill.nouns import Student
from fusion_agents.distill.plan import Plan
from fusion_agents.distill.plan_file import wrong_in
from fusion_agents.distill.training.progress import TrainingProgress
from fusion_agents.errors import ConfigError
from fusion_agents.graphs.model_level_state import (
    DataState,
    ModelLevelState,
    ModelLevelUpdate,
    Registration,
)

NODES = ("select", "export", "estimate", "approve", "train", "evaluate", "register")
AFTER_APPROVAL = "train"

Made = TypeVar("Made")


class ModelLevelNodes:
    """Select, export, estimate, approve, train, evaluate, register: two methods each.

    Those for an event loop wait in threads; those for none wait for a loop in another thread where
    a stage is asynchronous.
    """

    # -- select, export, estimate -------------------------------------------------------------

    def select(
        self, state: ModelLevelState, config: RunnableConfig | None = None
    ) -> ModelLevelUpdate:
        """Take right answers from the log, and write them down."""
        plan = _plan(state)
        return ModelLevelUpdate(data=_data(plan, stages.select(plan)))

    async def aselect(
        self, state: ModelLevelState, config: RunnableConfig | None = None
    ) -> ModelLevelUpdate:
        """The same for an event loop."""
        return await asyncio.to_thread(self.select, state, config)

    def export(
        self, state: ModelLevelState, config: RunnableConfig | None = None
    ) -> ModelLevelUpdate:
        """Write the plan's formats."""
        plan = _plan(state)
        return ModelLevelUpdate(data=_data(plan, stages.export(plan)))

    async def aexport(
        self, state: ModelLevelState, config: RunnableConfig | None = None
    ) -> ModelLevelUpdate:
        """The same for an event loop."""
        return await asyncio.to_thread(self.export, state, config)

    def estimate(
        self, state: ModelLevelState, config: RunnableConfig | None = None
    ) -> ModelLevelUpdate:
        """Say what training and comparing will take."""
        found = stages.estimate(_plan(state))
        said = {**found.model_dump(mode="json"), "cost": found.cost, "words": found.words}
        return ModelLevelUpdate(estimate=said)

    async def aestimate(
        self, state: ModelLevelState, config: RunnableConfig | None = None
    ) -> ModelLevelUpdate:
        """The same for an event loop."""
        return await asyncio.to_thread(self.estimate, state, config)

    # -- approve ------------------------------------------------------------------------------

    def approve(
        self, state: ModelLevelState, config: RunnableConfig | None = None
    ) -> ModelLevelUpdate:
        """Stop for somebody to agree, unless the plan did."""
        cap, cost = _plan(state).approve_up_to, state["estimate"]["cost"]
        if cap is not None and cost is not None and cost <= cap:
            return ModelLevelUpdate(approved=True)
        said = interrupt({"question": "Go on?", "estimate": state["estimate"]})
        return ModelLevelUpdate(approved=_agrees(said))

    async def aapprove(
        self, state: ModelLevelState, config: RunnableConfig | None = None
    ) -> ModelLevelUpdate:
        """The same for an event loop."""
        return self.approve(state, config)

    def after_approve(self, state: ModelLevelState, config: RunnableConfig | None = None) -> str:
        """Nothing is trained without consent."""
        return AFTER_APPROVAL if state["approved"] else END

    async def aafter_approve(
        self, state: ModelLevelState, config: RunnableConfig | None = None
    ) -> str:
        """The same for an event loop."""
        return self.after_approve(state, config)

    # -- train, evaluate, register ------------------------------------------------------------

    def train(
        self, state: ModelLevelState, config: RunnableConfig | None = None
    ) -> ModelLevelUpdate:
        """Train, or go on with it."""
        tell = _teller()
        return _waited(lambda: self._train(state, tell))

    async def atrain(
        self, state: ModelLevelState, config: RunnableConfig | None = None
    ) -> ModelLevelUpdate:
        """The same for an event loop."""
        return await self._train(state, _teller())

    async def _train(
        self, state: ModelLevelState, tell: Callable[[TrainingProgress], None]
    ) -> ModelLevelUpdate:
        students = await stages.train(_plan(state), tell)
        return ModelLevelUpdate(students=[one.model_dump(mode="json") for one in students])

    def evaluate(
        self, state: ModelLevelState, config: RunnableConfig | None = None
    ) -> ModelLevelUpdate:
        """Compare each student with its base."""
        return _waited(lambda: self.aevaluate(state, config))

    async def aevaluate(
        self, state: ModelLevelState, config: RunnableConfig | None = None
    ) -> ModelLevelUpdate:
        """The same for an event loop."""
        plan = _plan(state)
        found = [await stages.evaluate(plan, student) for student in _students(state)]
        return ModelLevelUpdate(comparisons=[one.model_dump(mode="json") for one in found])

    def register(
        self, state: ModelLevelState, config: RunnableConfig | None = None
    ) -> ModelLevelUpdate:
        """Put the students that helped into `models.toml`."""
        plan, done = _plan(state), list[Registration]()
        for student, kept in zip(_students(state), state["comparisons"], strict=True):
            registered, reason = stages.register(plan, student, Comparison.model_validate(kept))
            done.append(Registration(student=student.name, registered=registered, reason=reason))
        return ModelLevelUpdate(registrations=done)

    async def aregister(
        self, state: ModelLevelState, config: RunnableConfig | None = None
    ) -> ModelLevelUpdate:
        """The same for an event loop."""
        return await asyncio.to_thread(self.register, state, config)


def _plan(state: ModelLevelState) -> Plan:
    try:
        return Plan.model_validate(state["plan"])
    except KeyError:
        raise ConfigError(
            "a run of the model level takes a plan: {'plan': {'log': ..., 'base': ..., 'out': ...}}"
        ) from None
    except ValidationError as error:
        raise ConfigError(f"the plan is wrong: {wrong_in(error)}") from None


def _students(state: ModelLevelState) -> list[Student]:
    return [Student.model_validate(one) for one in state["students"]]


def _data(plan: Plan, manifest: Manifest) -> DataState:
    return DataState(
        folder=str(stages.data_folder(plan)),
        fingerprint=manifest.fingerprint,
        n_examples=manifest.n_examples,
        n_pairs=manifest.n_pairs,
        report=manifest.report.model_dump(mode="json"),
        files=sorted(manifest.files),
    )


def _agrees(said: Any) -> bool:
    """Only a clear yes is one."""
    if isinstance(said, dict):
        said = said.get("approved")
    return said is True or (isinstance(said, str) and said.strip().lower() in ("yes", "y", "true"))


def _teller() -> Callable[[TrainingProgress], None]:
    """Writes progress to whoever streams the run with `stream_mode="custom"`."""
    write = get_stream_writer()
    return lambda progress: write({"train": asdict(progress)})


def _waited(make: Callable[[], Coroutine[Any, Any, Made]]) -> Made:
    """Wait for it in a loop of another thread: there may be a running one in this.

    The loop is one for all runs of a process, since clients keep connections that belong to it.
    """
    loop, context = _loop(), copy_context()
    done: Future[Made] = Future()
    tasks: list[asyncio.Task[None]] = []

    async def run() -> None:
        try:
            done.set_result(await make())
        except BaseException as error:  # noqa: BLE001  raised again below, in the caller's thread
            done.set_exception(error)

    loop.call_soon_threadsafe(lambda: tasks.append(loop.create_task(run(), context=context)))
    try:
        return done.result()
    except KeyboardInterrupt:
        for task in tasks:
            loop.call_soon_threadsafe(task.cancel)
        raise


@cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="model-level", daemon=True).start()
    return loop
