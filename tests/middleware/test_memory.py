import json
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from fusion_agents.answering.nouns import Answer
from fusion_agents.middleware.memory import (
    question_key,
    recall,
    record,
    record_for_message,
)
from fusion_agents.objective import Objective
from fusion_agents.steps.turn import Turn
from fusion_agents.types import Arm, ArmForecast, Attempt, Query, Route

ARMS = tuple(Arm(model=f"m{i}") for i in range(8))
ROUTE = Route(
    arm=ARMS[0],
    ranking=tuple(
        ArmForecast(arm=arm, performance=0.5, performance_std=0.1, utility=1 / (i + 1))
        for i, arm in enumerate(ARMS)
    ),
    utility=1.0,
    propensity=0.5,
    objective="balance",
    router="r",
    router_version="r-1",
    reason="best",
)


def remembered(answered_by: Arm = ARMS[0]) -> dict[str, Any]:
    turn = Turn(
        key="t",
        query=Query(text="?"),
        messages=[HumanMessage("?")],
        arms=ARMS,
        objective=Objective.parse("balance"),
    )
    attempts = (Attempt(arm=answered_by, seconds=1.0),)
    answer = Answer(message=AIMessage("!"), arm=answered_by, attempts=attempts)
    return dict(record(turn, ROUTE, answer, "q", "routed"))


def test_a_route_is_recalled_from_the_state_as_it_was() -> None:
    kept = json.loads(json.dumps(remembered()))
    pin = recall({"fusion_route": kept}, [])
    assert pin is not None
    assert (pin.arm, pin.question) == (ARMS[0], "q")
    assert pin.route is not None
    assert pin.route.model_copy(update={"ranking": ()}) == ROUTE.model_copy(update={"ranking": ()})
    assert [f.arm for f in pin.route.ranking] == list(ARMS)


def test_who_answered_is_recalled_not_who_was_chosen() -> None:
    kept = remembered(answered_by=ARMS[1])
    pin = recall({"fusion_route": kept}, [])
    assert pin is not None
    assert pin.arm == ARMS[1]
    assert kept["step"] == "fell back"


def test_a_message_carries_only_the_forecasts_of_the_best_arms() -> None:
    said = record_for_message(remembered())
    assert isinstance(said["forecast"], list)
    assert len(said["forecast"]) == 5
    assert said["answered_by"] == "m0@direct"


def test_without_a_state_the_last_ai_message_says_who_answered() -> None:
    def said(arm: str) -> AIMessage:
        return AIMessage("!", response_metadata={"fusion": {"answered_by": arm, "arm": "x"}})

    pin = recall({}, [said("a"), HumanMessage("?"), said("b@think"), HumanMessage("?")])
    assert pin is not None
    assert (pin.arm, pin.question, pin.route) == (Arm.parse("b@think"), None, None)


@pytest.mark.parametrize("message", [AIMessage("!"), HumanMessage("?")])
def test_nothing_is_recalled_where_nobody_routed(message: Any) -> None:
    assert recall({}, [message]) is None


@pytest.mark.parametrize("kept", [None, "?", {}, {"arm": 3}, {"answered_by": ""}])
def test_what_cannot_be_read_is_as_if_it_were_not_there(kept: Any) -> None:
    assert recall({"fusion_route": kept}, []) is None


def test_of_a_record_of_another_version_the_arm_is_recalled() -> None:
    pin = recall({"fusion_route": {"answered_by": "a", "forecast": [{"arm": "a", "new": 1}]}}, [])
    assert pin is not None
    assert (pin.arm, pin.route) == (Arm.parse("a"), None)


def test_a_question_is_named_by_its_message_or_by_its_place_and_text() -> None:
    first, second = HumanMessage("1?", id="a"), HumanMessage("2?")
    assert question_key([first, AIMessage("!"), ToolMessage("x", tool_call_id="1")]) == "a"
    key = question_key([first, second])
    assert key == question_key([first, HumanMessage("2?"), AIMessage("!")])
    assert key not in (question_key([first, HumanMessage("3?")]), question_key([second]))
    assert question_key([AIMessage("!")]) == ""
