"""OpenAI's rules: each that is broken is named, with its line and what to do."""

import json
from typing import Any

import pytest

from fusion_agents.distill.formats.base import Demonstration, Material, json_lines
from fusion_agents.distill.formats.openai_chat import OpenAIChatFormat, check_openai_chat
from fusion_agents.errors import DataError, RowError

USER = {"role": "user", "content": "2 + 2?"}
ANSWER = {"role": "assistant", "content": "4"}


def file(*messages: Any, n: int = 10) -> bytes:
    """Ten examples, the third of which has these messages."""
    rows: list[dict[str, Any]] = [{"messages": [USER, ANSWER]} for _ in range(n)]
    if messages:
        rows[2] = {"messages": list(messages)}
    return json_lines(rows)


def test_a_file_that_keeps_the_rules_is_counted() -> None:
    assert check_openai_chat(file()) == 10
    assert check_openai_chat(file({"role": "system", "content": "Be brief."}, USER, ANSWER)) == 10
    assert check_openai_chat(file(USER, {**ANSWER, "weight": 0}, USER, ANSWER)) == 10


def test_nine_examples_are_too_few() -> None:
    with pytest.raises(DataError, match="no fewer than 10 examples, and there are 9: select more"):
        check_openai_chat(file(n=9))


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ([USER], "the assistant's answer last"),
        ([ANSWER], "needs a message of the user"),
        ([USER, ANSWER, USER], "the assistant's answer last"),
        ([USER, {**ANSWER, "weight": 0}], "the assistant's answer last"),
        ([USER, {**ANSWER, "content": ""}], "message 2 has no content"),
        ([USER, {**ANSWER, "content": " \n"}], "message 2 has no content"),
        ([USER, {**ANSWER, "content": None}], "message 2 has no content"),
        ([USER, {"role": "assistant"}], "message 2 must be an object with 'role' and 'content'"),
        ([USER, "4"], "message 2 must be an object"),
        ([{**USER, "role": "human"}, ANSWER], "message 1 has the role 'human'"),
        ([USER, {**ANSWER, "score": 1}], "message 2 holds 'score', which is not known"),
        ([{**USER, "weight": 1}, ANSWER], "message 1 has a weight"),
        ([USER, {**ANSWER, "weight": 0.5}], "message 2 has a weight"),
        ([], "needs a message of the user"),
    ],
)
def test_a_broken_rule_is_named_with_its_line(messages: list[Any], reason: str) -> None:
    rows = json_lines([*[{"messages": [USER, ANSWER]}] * 2, {"messages": messages}])
    with pytest.raises(RowError, match=reason) as caught:
        check_openai_chat(rows + file())
    assert caught.value.line == 3


@pytest.mark.parametrize(
    "row", [{"messages": [USER, ANSWER], "task": "sums"}, {"prompt": "2 + 2?"}, {"messages": "x"}]
)
def test_an_example_holds_messages_alone(row: dict[str, Any]) -> None:
    with pytest.raises(RowError, match="holds 'messages' alone") as caught:
        check_openai_chat(file() + json.dumps(row).encode())
    assert caught.value.line == 11


def test_a_line_that_is_no_json_is_named() -> None:
    with pytest.raises(RowError, match="no JSON") as caught:
        check_openai_chat(file() + b"\n")
    assert caught.value.line == 11


def test_an_example_that_would_be_cut_short_is_refused() -> None:
    long = file(USER, {**ANSWER, "content": "word " * 12_000})
    assert check_openai_chat(long) == 10
    with pytest.raises(RowError, match=r"cuts examples off at 16,385: .*--max-characters"):
        check_openai_chat(long, base="gpt-3.5-turbo-0125")
    with pytest.raises(RowError, match="cuts examples off at 65,536"):
        check_openai_chat(file(USER, {**ANSWER, "content": "word " * 60_000}))


def test_what_was_answered_earlier_is_not_learned() -> None:
    prompt = ({"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, USER)
    made = Material(tuple(Demonstration(prompt, "4") for _ in range(10)))  # type: ignore[arg-type]
    files = OpenAIChatFormat().write(made)
    first = json.loads(files["openai.jsonl"].splitlines()[0])
    assert [message.get("weight") for message in first["messages"]] == [None, 0, None, None]
    assert OpenAIChatFormat().read(files) == made


def test_nine_examples_are_not_written() -> None:
    few = Material(tuple(Demonstration((USER,), "4") for _ in range(9)))  # type: ignore[arg-type]
    with pytest.raises(DataError, match="no fewer than 10"):
        OpenAIChatFormat().write(few)
