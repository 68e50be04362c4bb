import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion_agents.metrics.statements import stated_answers, visible, without_next_questions


def last(text: str) -> str | None:
    found = stated_answers(text)
    return found[-1].text if found else None


@pytest.mark.parametrize(
    ("text", "stated"),
    [
        ("The answer is 4.", "4."), ("Answer: 4", "4"), ("#### 4", "4"), (r"\boxed{4}", "4"),
        (r"\boxed{\frac{1}{2}} or so", r"\frac{1}{2}"), ("<answer>\n4\n</answer>", "4"),
        ('{"answer": "say \\"4\\""}', 'say "4"'), ('{"answer": 4, "sure": true}', "4"),
        ('{"answer": [1, 2]}', "[1, 2]"), ('{"answer": ""ab""\n}', '"ab"'),
        ('{"answer": "\\frac{1}{2} \\neq \\nu"}', r"\frac{1}{2} \neq \nu"),
        ('{"answer": "one\\ntwo\\u0041"}', "one\ntwoA"), ("Answer:\n```python\n[1]\n```", "[1]"),
        ('{"answer": "4", "why": "The answer is 5"}', "4"), ("The answer is 4.\nAnswer: 5", "5"),
        ("Answer\n\n4", "4"), ('Final answer:\n"""\n4 and\n5\n"""', "4 and\n5"), (r"\boxed{4", "4"),
    ],
)  # fmt: skip
def test_the_last_statement_is_read(text: str, stated: str) -> None:
    assert last(text) == stated


@pytest.mark.parametrize(
    "text",
    [
        "", "No idea.", "I do not think the answer is 4.", "Tell me if the answer is 4.",
        "## Answering\n\nfour", "This is no answer\nat all", "long answer questions are worth 5",
        "The answers are:\n4\n5", "#### ", "a#### 4",
    ],
)  # fmt: skip
def test_what_states_nothing_is_not_read(text: str) -> None:
    assert stated_answers(text) == []


def test_hidden_reasoning_is_not_visible() -> None:
    assert visible("<think>a</think>b") == "b"
    assert visible("a</think>b") == "b"
    assert visible("<think>never ended") == ""
    assert visible("b") == "b"


def test_a_question_of_the_models_own_ends_the_response() -> None:
    assert without_next_questions("4\n\nQ: And 3 + 3?\n6", "2 + 2?") == "4"
    assert without_next_questions("Question: 2 + 2?\n4", "2 + 2?") == "Question: 2 + 2?\n4"
    assert without_next_questions("So.\nQuestion: 2 + 2?\n4", "2 + 2?").endswith("4")


@given(st.text(max_size=200))
def test_any_text_can_be_read(text: str) -> None:
    for statement in stated_answers(text):
        assert isinstance(statement.text, str)


@given(st.text(alphabet='{}"answer: \\n[]boxed#<>', max_size=200))
def test_damaged_markup_can_be_read(text: str) -> None:
    stated_answers(text)
