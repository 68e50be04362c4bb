"""What the graphs keep between its nodes, and what a run may choose.

Everything here is messages or plain JSON, so that any checkpointer can store it and none has to
import a class of ours to read it back (`LANGGRAPH_STRICT_MSGPACK=true` works).
"""

from typing import Annotated, Any

from langchain_core.messages import AIMessage, AnyMessage
from langgraph.graph.message import add_messages
from typing_extensions import TypedDict

from fusion_agents.answering.nouns import Answer, Bindings
from fusion_agents.errors import DataError
from fusion_agents.objective import Objective
from fusion_agents.steps.turn import Choices, Turn
from fusion_agents.types import Arm, Attempt, Judgement, Noun, Query, Route, ThoughtTemplate


class QueryContext(Noun):
    """What one run of a graph may choose; given as `context=`, not kept in checkpoints."""

    objective: str | None = None
    """A preset such as `balance`, or weights such as `performance=1,cost=0.3`."""
    model: str | None = None
    """Answer with this model of the pool."""
    arm: str | None = None
    """Answer with this arm, as `model@strategy`."""
    tenant: str = "default"
    """On whose behalf; kept in the log."""

    def choices(self) -> Choices:
        """The same for the steps."""
        return Choices(objective=self.objective, model=self.model, arm=self.arm, tenant=self.tenant)


class TurnState(TypedDict):
    """The turn that is being answered, without its messages."""

    key: str
    """Names the turn; the keys of its log entries derive from it."""
    query: dict[str, Any]
    arms: list[str]
    objective: dict[str, Any]
    tenant: str


class AnswerState(TypedDict):
    """How the turn was answered, beside the message."""

    message_id: str
    attempts: list[dict[str, Any]]
    """In order; the last one is the answer."""
    template_ids: list[str]


class QueryInput(TypedDict):
    """What a run takes."""

    messages: Annotated[list[AnyMessage], add_messages]
    """The conversation; a run adds the answer."""


class QueryState(QueryInput, total=False):
    """What a run keeps; all but the messages belong to the last turn."""

    turn: TurnState
    route: dict[str, Any]
    """The `fusion_agents.types.Route` as JSON."""
    templates: list[dict[str, Any]] | None
    """What was looked up for the chosen arm, each `fusion_agents.types.ThoughtTemplate` as JSON;
    none if nothing was looked up."""
    answer: AnswerState | None
    judgement: dict[str, Any] | None
    """The `fusion_agents.types.Judgement` of the answer as JSON, where one was made."""
    entries: list[str]
    """Keys of the turn's log entries, for judgements; empty without a log."""


class QueryUpdate(TypedDict, total=False):
    """What a node changes."""

    messages: list[AnyMessage]
    turn: TurnState
    route: dict[str, Any]
    templates: list[dict[str, Any]] | None
    answer: AnswerState | None
    judgement: dict[str, Any] | None
    entries: list[str]


def keep_turn(turn: Turn) -> TurnState:
    """Make a turn plain JSON."""
    return TurnState(
        key=turn.key,
        query=turn.query.model_dump(mode="json"),
        arms=[str(arm) for arm in turn.arms],
        objective=turn.objective.model_dump(mode="json"),
        tenant=turn.tenant,
    )


def kept_turn(state: QueryState, bindings: Bindings) -> Turn:
    """The turn that is being answered."""
    kept = state["turn"]
    return Turn(
        key=kept["key"],
        query=Query.model_validate(kept["query"]),
        messages=state["messages"],
        arms=tuple(map(Arm.parse, kept["arms"])),
        objective=Objective.model_validate(kept["objective"]),
        tenant=kept["tenant"],
        bindings=bindings,
        templates=kept_templates(state),
    )


def kept_templates(state: QueryState) -> tuple[ThoughtTemplate, ...] | None:
    """The templates that were looked up for the turn; none if nobody looked."""
    kept = state.get("templates")
    return None if kept is None else tuple(map(ThoughtTemplate.model_validate, kept))


def kept_route(state: QueryState) -> Route:
    """The route of the turn that is being answered."""
    return Route.model_validate(state["route"])


def keep_answer(answer: Answer, message: AIMessage) -> AnswerState:
    """Make an answer plain JSON; its message is kept among the messages."""
    return AnswerState(
        message_id=message.id or "",
        attempts=[attempt.model_dump(mode="json") for attempt in answer.attempts],
        template_ids=list(answer.template_ids),
    )


def kept_answer(state: QueryState) -> Answer:
    """The answer of the turn.

    Raises:
        DataError: If there is none, or its message was removed from the conversation.
    """
    kept = state.get("answer")
    messages = (
        message
        for message in reversed(state["messages"])
        if kept is not None and message.id == kept["message_id"]
    )
    message = next(messages, None)
    if kept is None or not isinstance(message, AIMessage):
        raise DataError("the state holds no answer: run `answer` first, and keep its message")
    attempts = tuple(map(Attempt.model_validate, kept["attempts"]))
    return Answer(
        message=message,
        arm=attempts[-1].arm,
        attempts=attempts,
        template_ids=tuple(kept["template_ids"]),
    )


def kept_judgement(state: QueryState) -> Judgement | None:
    """The judgement of the turn's answer, where one was made."""
    kept = state.get("judgement")
    return None if kept is None else Judgement.model_validate(kept)
