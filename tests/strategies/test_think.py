from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from fusion_agents.strategies.think import INSTRUCTION, ThinkStrategy
from fusion_agents.types import Query

QUERY = Query(text="2 + 2?")


def test_the_instruction_follows_the_last_question_and_nothing_else_changes() -> None:
    messages = [HumanMessage("Hello"), AIMessage("Hi."), HumanMessage("2 + 2?", name="ann")]
    sent = ThinkStrategy().prompt(messages, QUERY).messages
    assert sent[:2] == messages[:2]
    assert sent[2] == HumanMessage(f"2 + 2?\n\n{INSTRUCTION}", name="ann")


def test_the_system_prompt_stays_as_it_is() -> None:
    messages = [SystemMessage("Answer in JSON."), HumanMessage("2 + 2?")]
    assert ThinkStrategy().prompt(messages, QUERY).messages[0] is messages[0]


def test_pictures_stay_in_front_of_the_instruction() -> None:
    picture = {"type": "image", "url": "https://example.org/cat.png"}
    sent = ThinkStrategy().prompt([HumanMessage([picture])], QUERY).messages
    assert sent[0].content == [picture, {"type": "text", "text": INSTRUCTION}]


def test_in_a_tool_loop_the_question_is_extended_and_not_the_result() -> None:
    call = {"name": "add", "args": {}, "id": "1", "type": "tool_call"}
    loop = [
        HumanMessage("2 + 2?"),
        AIMessage("", tool_calls=[call]),
        ToolMessage("4", tool_call_id="1"),
    ]
    sent = ThinkStrategy().prompt(loop, QUERY).messages
    assert str(sent[0].content).endswith(INSTRUCTION)
    assert sent[1:] == loop[1:]


def test_the_form_of_the_answer_is_left_to_the_user() -> None:
    for form in ("JSON", "single letter", "code", "function call"):
        assert form in INSTRUCTION
    assert "exactly as it was asked for" in INSTRUCTION


def test_without_a_question_nothing_is_added() -> None:
    messages = [SystemMessage("Say something.")]
    assert ThinkStrategy().prompt(messages, QUERY).messages == messages


def test_the_instruction_can_be_another() -> None:
    sent = ThinkStrategy(instruction="Slowly.").prompt([HumanMessage("2 + 2?")], QUERY).messages
    assert sent[0].content == "2 + 2?\n\nSlowly."
