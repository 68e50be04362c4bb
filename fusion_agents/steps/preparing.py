"""Inputs of the chain, read and routed together before their runs start."""

from asyncio import wrap_future
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from langchain_core.runnables import RunnableConfig

from fusion_agents.answering.nouns import Bindings
from fusion_agents.errors import DataError, FusionError
from fusion_agents.steps.query_steps import QuerySteps
from fusion_agents.steps.turn import Choices, Turn
from fusion_agents.types import Route

GROUP = 128
"""Inputs that are encoded and routed at once: more make an input hardly cheaper."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """An input that was read and, unless that needs a model, routed; or why it could not be."""

    value: Any
    turn: Turn | None = None
    route: Route | None = None
    error: FusionError | None = None

    def prepared(self) -> "Prepared":
        """Itself: as for an input that is still pending."""
        return self

    async def aprepared(self) -> "Prepared":
        """Itself."""
        return self

    def readable(self) -> Turn:
        """The turn.

        Raises:
            FusionError: What was wrong with the input.
        """
        if self.error is not None:
            raise self.error
        assert self.turn is not None
        return self.turn

    def routed(self, steps: QuerySteps, config: RunnableConfig) -> tuple[Turn, Route]:
        """The turn with its route, which is found now if that needs a model."""
        turn = self.readable()
        return turn, self.route or steps.classify([turn], config)[0]

    async def arouted(self, steps: QuerySteps, config: RunnableConfig) -> tuple[Turn, Route]:
        """The same for an event loop."""
        turn = self.readable()
        return turn, self.route or (await steps.aclassify([turn], config))[0]

    def with_outcome(self, outcome: Route | FusionError) -> "Prepared":
        """The same with a route, or the reason why there is none."""
        if isinstance(outcome, FusionError):
            return replace(self, error=outcome)
        return replace(self, route=outcome)


def prepare(
    steps: QuerySteps, values: Sequence[Any], choices: Iterable[Choices], bindings: Bindings
) -> list[Prepared]:
    """Read inputs and route those that can be routed, together."""
    read = _read(steps, values, choices, bindings)
    if steps.classifier.calls_models:
        return read
    return _with_routes(read, steps.classify_each(_turns(read)))


async def aprepare(
    steps: QuerySteps, values: Sequence[Any], choices: Iterable[Choices], bindings: Bindings
) -> list[Prepared]:
    """The same for an event loop."""
    await steps.know_models()
    return await aroute_read(steps, _read(steps, values, choices, bindings))


async def aroute_read(steps: QuerySteps, read: list[Prepared]) -> list[Prepared]:
    """Route inputs that were read, together, unless that needs a model."""
    if steps.classifier.calls_models:
        return read
    return _with_routes(read, await steps.aclassify_each(_turns(read)))


@dataclass(frozen=True, eq=False)
class Pending:
    """An input that is being read and routed together with its neighbours."""

    value: Any
    group: "Future[list[Prepared]]"
    position: int

    def prepared(self) -> Prepared:
        """Wait for it."""
        return self.group.result()[self.position]

    async def aprepared(self) -> Prepared:
        """Wait for it in an event loop."""
        return (await wrap_future(self.group))[self.position]


Ready = Prepared | Pending
"""What the chain's own batches hand to it in the place of an input."""


@contextmanager
def prepare_ahead(
    steps: QuerySteps, values: Sequence[Any], choices: Iterable[Choices], bindings: Bindings
) -> Iterator[list[Pending]]:
    """Read and route many inputs in the background, group by group.

    The first group is answered while the next ones are routed, so a large batch does not wait for
    its last query before it asks its first.
    """
    chosen = list(choices)
    pending: list[Pending] = []
    worker = ThreadPoolExecutor(1, thread_name_prefix="fusion-routing")
    try:
        for group in (slice(i, i + GROUP) for i in range(0, len(values), GROUP)):
            future = worker.submit(prepare, steps, values[group], chosen[group], bindings)
            pending += (Pending(v, future, i) for i, v in enumerate(values[group]))
        yield pending
    finally:
        worker.shutdown(wait=False, cancel_futures=True)


def ready(steps: QuerySteps, value: Any, choices: Choices, bindings: Bindings | None) -> Prepared:
    """An input that was prepared already, or one that is prepared now."""
    if isinstance(value, Ready):
        return value.prepared()
    return prepare(steps, [value], [choices], bindings or Bindings())[0]


async def aready(
    steps: QuerySteps, value: Any, choices: Choices, bindings: Bindings | None
) -> Prepared:
    """The same for an event loop."""
    if isinstance(value, Ready):
        return await value.aprepared()
    return (await aprepare(steps, [value], [choices], bindings or Bindings()))[0]


def _read(
    steps: QuerySteps, values: Sequence[Any], choices: Iterable[Choices], bindings: Bindings
) -> list[Prepared]:
    return [
        _read_one(steps, value, chosen, bindings)
        for value, chosen in zip(values, choices, strict=True)
    ]


def _read_one(steps: QuerySteps, value: Any, choices: Choices, bindings: Bindings) -> Prepared:
    try:
        return Prepared(value, turn=steps.turn(value, choices, bindings))
    except FusionError as error:
        return Prepared(value, error=error)
    except (TypeError, ValueError, AttributeError, LookupError) as error:  # odd content of messages
        what = f"{type(error).__name__}: {error}"
        return Prepared(value, error=DataError(f"the input cannot be read: {what}"))


def _turns(read: Sequence[Prepared]) -> list[Turn]:
    return [prepared.turn for prepared in read if prepared.turn is not None]


def _with_routes(
    read: Sequence[Prepared], outcomes: Sequence[Route | FusionError]
) -> list[Prepared]:
    remaining = iter(outcomes)
    return [
        prepared if prepared.turn is None else prepared.with_outcome(next(remaining))
        for prepared in read
    ]
