"""The nodes of the graphs: thin wrappers over the steps, each with two faces."""

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Literal, TypeVar
from uuid import uuid4

from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable, RunnableConfig
from langgraph.runtime import get_runtime
from langgraph.types import RetryPolicy

from fusion_agents.answering.nouns import Answer, Bindings
from fusion_agents.conversation import in_tool_loop
from fusion_agents.errors import AnswerError, FusionError, SchemaTooNewError, StoreError
from fusion_agents.graphs.state import (
    QueryContext,
    QueryState,
    QueryUpdate,
    keep_answer,
    keep_turn,
    kept_answer,
    kept_judgement,
    kept_route,
    kept_turn,
)
from fusion_agents.steps.evidence import evidence, with_evidence
from fusion_agents.steps.query_steps import QuerySteps
from fusion_agents.steps.turn import Choices, Turn
from fusion_agents.types import Judgement, Route

logger = logging.getLogger(__name__)

StepsSource = QuerySteps | Callable[[], QuerySteps]
"""The steps, or what makes them when the first run needs them."""


def may_pass(error: Exception) -> bool:
    """Whether trying a node again may help: a store that is busy or out of reach.

    An answer that failed had its retries already, and a wrong request stays wrong.

    >>> may_pass(StoreError("the log is locked")), may_pass(AnswerError("every arm failed"))
    (True, False)
    """
    passing = isinstance(error, StoreError | ConnectionError)
    return passing and not isinstance(error, SchemaTooNewError)


STORE_RETRIES = RetryPolicy(initial_interval=0.1, max_attempts=4, jitter=False, retry_on=may_pass)


Kept = TypeVar("Kept")
Given = TypeVar("Given")


class Node(Runnable[Kept, Given]):
    """A node that waits in either way; the graph traces it, so it does not trace itself.

    A fork, which gives the name of the next node, is one as well.
    """

    def __init__(
        self,
        name: str,
        run: Callable[[Kept, RunnableConfig | None], Given],
        arun: Callable[[Kept, RunnableConfig | None], Awaitable[Given]],
    ) -> None:
        self.name = name
        self._run = run
        self._arun = arun

    def invoke(self, input: Kept, config: RunnableConfig | None = None, **kwargs: Any) -> Given:
        """Run the node."""
        return self._run(input, config)

    async def ainvoke(
        self, input: Kept, config: RunnableConfig | None = None, **kwargs: Any
    ) -> Given:
        """Run the node in an event loop."""
        return await self._arun(input, config)


class QueryNodes:
    """Classify, retrieve, answer, judge, record: a method each, and one for an event loop.

    Args:
        source: The steps, or what makes them; it is called by the first run, once unless it
            fails, and never in an event loop.
        bindings: Tools and options for whichever model is chosen.
    """

    def __init__(self, source: StepsSource, bindings: Bindings | None = None) -> None:
        self._source = source
        self._steps = source if isinstance(source, QuerySteps) else None
        self._making = threading.Lock()
        self.bindings = bindings or Bindings()

    def steps(self) -> QuerySteps:
        """The steps, made if need be."""
        with self._making:
            if self._steps is not None:
                return self._steps
            assert not isinstance(self._source, QuerySteps)
            made = self._source()
            self._steps = made
            return made

    async def asteps(self) -> QuerySteps:
        """The same for an event loop."""
        if self._steps is not None:
            return self._steps
        return await asyncio.to_thread(self.steps)

    # -- classify -----------------------------------------------------------------------------

    def classify(self, state: QueryState, config: RunnableConfig | None = None) -> QueryUpdate:
        """Choose an arm for what is asked; forget what belonged to an earlier turn."""
        steps = self.steps()
        turn = steps.turn(state["messages"], _choices(state), self.bindings)
        return _classified(state, turn, steps.classify([turn], config)[0])

    async def aclassify(
        self, state: QueryState, config: RunnableConfig | None = None
    ) -> QueryUpdate:
        """The same for an event loop."""
        steps = await self.asteps()
        await steps.know_models()
        turn = steps.turn(state["messages"], _choices(state), self.bindings)
        return _classified(state, turn, (await steps.aclassify([turn], config))[0])

    # -- retrieve -----------------------------------------------------------------------------

    def retrieve(self, state: QueryState, config: RunnableConfig | None = None) -> QueryUpdate:
        """Look up the thought templates that the chosen arm will show, if it shows any."""
        found = self.steps().retrieve(kept_turn(state, self.bindings), kept_route(state))
        kept = None if found is None else [template.model_dump(mode="json") for template in found]
        return QueryUpdate(templates=kept)

    async def aretrieve(
        self, state: QueryState, config: RunnableConfig | None = None
    ) -> QueryUpdate:
        """The same for an event loop."""
        return await asyncio.to_thread(self.retrieve, state, config)

    # -- answer -------------------------------------------------------------------------------

    def answer(self, state: QueryState, config: RunnableConfig | None = None) -> QueryUpdate:
        """Ask the chosen arm, then the others.

        Raises:
            AnswerError: If none answers; what was tried is in the log nevertheless.
        """
        steps, turn, route = self.steps(), kept_turn(state, self.bindings), kept_route(state)
        try:
            answer = steps.answer(turn, route, config)
        except AnswerError as error:
            steps.recorder.keep(_of_its_own(turn), route, error)
            raise
        return _answered(turn, route, answer)

    async def aanswer(self, state: QueryState, config: RunnableConfig | None = None) -> QueryUpdate:
        """The same for an event loop."""
        steps, turn, route = await self.asteps(), kept_turn(state, self.bindings), kept_route(state)
        try:
            answer = await steps.aanswer(turn, route, config)
        except AnswerError as error:
            await steps.recorder.akeep(_of_its_own(turn), route, error)
            raise
        return _answered(turn, route, answer)

    # -- judge --------------------------------------------------------------------------------

    def after_answer(
        self, state: QueryState, config: RunnableConfig | None = None
    ) -> Literal["judge", "record"]:
        """Where a run goes on: a graph whose answers nobody judges inline has a step less."""
        judging = self.steps().judging
        due = judging is not None and judging.is_due(kept_turn(state, self.bindings))
        return "judge" if due else "record"

    async def aafter_answer(
        self, state: QueryState, config: RunnableConfig | None = None
    ) -> Literal["judge", "record"]:
        """The same for an event loop."""
        await self.asteps()
        return self.after_answer(state, config)

    def judge(self, state: QueryState, config: RunnableConfig | None = None) -> QueryUpdate:
        """Judge the answer; a judge that fails costs a score, and never the answer."""
        steps, turn, answer = self.steps(), kept_turn(state, self.bindings), kept_answer(state)
        return _judged(state, turn, answer, steps.judge(turn, answer, config))

    async def ajudge(self, state: QueryState, config: RunnableConfig | None = None) -> QueryUpdate:
        """The same for an event loop."""
        steps, turn = await self.asteps(), kept_turn(state, self.bindings)
        answer = kept_answer(state)
        return _judged(state, turn, answer, await steps.ajudge(turn, answer, config))

    # -- record -------------------------------------------------------------------------------

    def record(self, state: QueryState, config: RunnableConfig | None = None) -> QueryUpdate:
        """Append the turn's attempts and its judgement to the log, each once for all repetitions.

        A log that cannot be written is tried again; after that, a warning says that the turn is
        not in the log, and the answer is kept.
        """
        steps, turn, route = self.steps(), kept_turn(state, self.bindings), kept_route(state)
        try:
            answer, judgement = kept_answer(state), kept_judgement(state)
            entries = steps.recorder.record(turn, route, answer, judgement)
        except FusionError as error:
            if may_pass(error) and not _is_last_attempt():
                raise
            logger.warning("the attempts of turn %s are not in the log: %s", turn.key, error)
            entries = []
        return QueryUpdate(entries=[entry.key for entry in entries])

    async def arecord(self, state: QueryState, config: RunnableConfig | None = None) -> QueryUpdate:
        """The same for an event loop."""
        if (await self.asteps()).recorder.log is None:
            return QueryUpdate(entries=[])
        return await asyncio.to_thread(self.record, state, config)


def _choices(state: QueryState) -> Choices:
    """What the run chose; between a tool call and its result, the model stays the same."""
    context = get_runtime(QueryContext).context or QueryContext()
    chosen = context.choices()
    answer = state.get("answer")
    if answer and in_tool_loop(state["messages"]) and not (chosen.arm or chosen.model):
        arm = answer["attempts"][-1]["arm"]
        return chosen._replace(arm=f"{arm['model']}@{arm['strategy']}")
    return chosen


def _classified(state: QueryState, turn: Turn, route: Route) -> QueryUpdate:
    update = QueryUpdate(
        turn=keep_turn(turn), route=route.model_dump(mode="json"), answer=None, entries=[]
    )
    if state.get("judgement") is not None:
        update["judgement"] = None
    if state.get("templates") is not None:
        update["templates"] = None
    return update


def _answered(turn: Turn, route: Route, answer: Answer) -> QueryUpdate:
    known = with_evidence(answer, turn, route).message
    message: AIMessage = known.model_copy(update={"id": known.id or f"fusion-{turn.key}"})
    return QueryUpdate(messages=[message], answer=keep_answer(answer, message))


def _judged(
    state: QueryState, turn: Turn, answer: Answer, judgement: Judgement | None
) -> QueryUpdate:
    if judgement is None:
        return QueryUpdate()
    found = evidence(turn, kept_route(state), answer, judgement)
    metadata = {**answer.message.response_metadata, "fusion": found}
    message = answer.message.model_copy(update={"response_metadata": metadata})
    return QueryUpdate(messages=[message], judgement=judgement.model_dump(mode="json"))


def _of_its_own(turn: Turn) -> Turn:
    """The turn under a key of its own: what is tried later on, with success, has the turn's."""
    return replace(turn, key=uuid4().hex)


def _is_last_attempt() -> bool:
    info = get_runtime().execution_info
    return info is None or info.node_attempt >= STORE_RETRIES.max_attempts
