"""What an app may pass in, and what is read from it."""

from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.prompt_values import ChatPromptValue, StringPromptValue

from fusion_agents.conversation import in_tool_loop, needs_of, query_text, to_messages
from fusion_agents.errors import DataError

CALL = {"name": "add", "args": {}, "id": "1", "type": "tool_call"}
DATA = "AAAA" * 100_000
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}


@pytest.mark.parametrize(
    "value",
    [
        "2 + 2?",
        HumanMessage("2 + 2?"),
        [HumanMessage("2 + 2?")],
        (HumanMessage("2 + 2?"),),
        [("human", "2 + 2?")],
        [{"role": "user", "content": "2 + 2?"}],
        {"role": "user", "content": "2 + 2?"},
        ["2 + 2?"],
        StringPromptValue(text="2 + 2?"),
        ChatPromptValue(messages=[HumanMessage("2 + 2?")]),
        {"input": "2 + 2?"},
        {"question": "2 + 2?", "context": "unused"},
        {"query": "2 + 2?"},
        {"input": None, "query": "2 + 2?"},
        {"messages": [("user", "2 + 2?")]},
        {"input": ChatPromptValue(messages=[HumanMessage("2 + 2?")])},
    ],
)
def test_whatever_holds_a_question_is_read(value: Any) -> None:
    (message,) = to_messages(value)
    assert isinstance(message, HumanMessage)
    assert message.content == "2 + 2?"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "no messages"),
        ({"prompt": "x"}, "must hold one of input, messages, question, query"),
        ({}, "holds nothing"),
        (7, "cannot read messages from int"),
        (None, "cannot read messages from NoneType"),
        ([object()], "cannot read messages from list"),
        ({"input": None}, r"must hold one of input, messages.*; this one holds input \(none\)"),
    ],
)
def test_what_holds_none_is_refused_with_what_to_pass_instead(value: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        to_messages(value)


def test_the_query_is_the_last_thing_that_the_human_said() -> None:
    talk = [SystemMessage("Be brief."), HumanMessage("2 + 2?"), AIMessage("4")]
    assert query_text(talk) == "2 + 2?"
    assert query_text([*talk, HumanMessage([{"type": "text", "text": "3 + 3?"}, PICTURE])]) == (
        "3 + 3?"
    )
    assert query_text([SystemMessage("Say hello.")]) == "Say hello."
    assert query_text([]) == ""


def test_needs_follow_from_the_messages_and_from_what_is_bound() -> None:
    plain = needs_of([HumanMessage("x" * 400)])
    assert 100 <= plain.tokens < 120
    assert plain[1:] == (False, False, False)
    assert needs_of([HumanMessage("x")], tools=True).tools
    assert needs_of([HumanMessage("x")], structured_output=True).structured_output
    assert needs_of([AIMessage("", tool_calls=[CALL])]).tools
    assert needs_of([HumanMessage([PICTURE])]).vision
    assert needs_of([HumanMessage([{"type": "image", "base64": "AA=="}])]).vision


@pytest.mark.parametrize(
    "block",
    [
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{DATA}"}},
        {"type": "input_image", "image_url": f"data:image/png;base64,{DATA}"},
        {"type": "file", "base64": DATA, "mime_type": "application/pdf"},
        {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{DATA}"}},
        {"type": "document", "source": {"type": "base64", "data": DATA}},
        {"type": "audio", "base64": DATA, "mime_type": "audio/wav"},
        {"type": "input_audio", "input_audio": {"data": DATA, "format": "wav"}},
        {"type": "video", "base64": DATA, "mime_type": "video/mp4"},
    ],
)
def test_the_data_of_an_attachment_is_not_counted_as_words(block: dict[str, Any]) -> None:
    asked = HumanMessage(["x" * 400, block])
    assert 100 <= needs_of([asked]).tokens < 300
    assert asked.content == ["x" * 400, block]


def test_a_tool_loop_lasts_from_a_tools_result_to_the_next_human_message() -> None:
    asked = [HumanMessage("2 + 2?"), AIMessage("", tool_calls=[CALL])]
    assert not in_tool_loop([HumanMessage("2 + 2?")])
    assert in_tool_loop([*asked, ToolMessage("4", tool_call_id="1")])
    assert not in_tool_loop(
        [*asked, ToolMessage("4", tool_call_id="1"), AIMessage("4"), HumanMessage("Thanks")]
    )
