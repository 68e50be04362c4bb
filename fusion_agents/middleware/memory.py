"""What an agent remembers of its routing, in its state and in its messages."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NamedTuple, NotRequired

from langchain.agents.middleware.types import AgentState, OmitFromInput
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from pydantic import JsonValue, ValidationError

from fusion_agents.answering.nouns import Answer
from fusion_agents.steps.evidence import evidence
from fusion_agents.steps.turn import Turn
from fusion_agents.types import Arm, ArmForecast, Judgement, Route, content_key

Record = dict[str, JsonValue]

_ALTERNATIVES = 5
"""How many arms' forecasts a message carries; the state has them all."""


class FusionState(AgentState[Any]):
    """An agent's state with the last routing decision."""

    fusion_route: NotRequired[Annotated[Record, OmitFromInput]]
    """As plain JSON; see `record`."""


class Pin(NamedTuple):
    """Who answered last, and what."""

    arm: Arm
    question: str | None = None
    """Key of the question that was answered, if the state has it."""
    route: Route | None = None
    """How that question was routed, if the state has it."""


def question_key(messages: Sequence[AnyMessage]) -> str:
    """Name the question that a run answers: the last human message."""
    for position in range(len(messages) - 1, -1, -1):
        message = messages[position]
        if isinstance(message, HumanMessage):
            return message.id or content_key(position, str(message.text))
    return ""


def recall(state: Mapping[str, Any], messages: Sequence[AnyMessage]) -> Pin | None:
    """Find out who answered last: from the state or, without one, from the last AI message.

    What cannot be read, such as a record of another version, is as if it were not there.
    """
    record = state.get("fusion_route")
    if isinstance(record, Mapping) and (arm := _arm(record)):
        question = record.get("question")
        return Pin(arm, question if isinstance(question, str) else None, _route(record))
    for message in reversed(messages):
        if isinstance(message, AIMessage):
            said = message.response_metadata.get("fusion")
            known = _arm(said) if isinstance(said, Mapping) else None
            return Pin(known) if known else None
    return None


def record(
    turn: Turn,
    route: Route,
    answer: Answer,
    question: str,
    step: str,
    judgement: Judgement | None = None,
) -> Record:
    """What the state remembers of a call, as plain JSON.

    The keys of `fusion_agents.steps.evidence.evidence`, and `question` (names the last human
    message) and `step`: `routed`, `pinned` (the run goes on with its arm), `kept` or `switched`
    (at a new question), `moved` (the arm could not go on). If another arm than the chosen one
    had to answer, `step` is `fell back`.
    """
    if answer.arm != route.arm:
        step = "fell back"
    return {**evidence(turn, route, answer, judgement), "question": question, "step": step}


def record_for_message(kept: Record) -> Record:
    """The same without the arms that were far from being chosen."""
    forecast = kept["forecast"]
    assert isinstance(forecast, list)
    return {**kept, "forecast": forecast[:_ALTERNATIVES]}


def _arm(said: Mapping[str, Any]) -> Arm | None:
    name = said.get("answered_by") or said.get("arm")
    try:
        return Arm.parse(name) if isinstance(name, str) else None
    except ValidationError:
        return None


def _route(kept: Mapping[str, Any]) -> Route | None:
    try:
        return Route(
            arm=Arm.parse(kept["arm"]),
            ranking=tuple(
                ArmForecast.model_validate({**forecast, "arm": Arm.parse(forecast["arm"])})
                for forecast in kept["forecast"]
            ),
            **{
                name: kept[name]
                for name in (
                    "utility",
                    "propensity",
                    "objective",
                    "router",
                    "router_version",
                    "reason",
                )
            },
        )
    except (KeyError, TypeError, ValueError):
        return None
