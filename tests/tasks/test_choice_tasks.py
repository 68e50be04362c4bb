"""Tasks with options: the letter of the ground truth stands before the right option."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from fusion_agents.metrics import score
from fusion_agents.tasks import Part, Split, make_task
from fusion_agents.tasks.base import Row
from fusion_agents.types import Query
from tests.tasks.rows import in_memory, words

CHOICE_TASKS = (
    "arc_challenge", "boolq", "commonsense_qa", "gpqa", "hellaswag", "mmlu", "openbook_qa",
)  # fmt: skip


def drawn(name: str, split: Split = "test", rows: Sequence[Row] | None = None) -> list[Query]:
    loader = in_memory if rows is None else lambda _: rows
    return list(make_task(name).samples(split, None, 0, loader=loader))


def options(query: Query) -> dict[str, str]:
    return dict(re.findall(r"^\(([A-Z])\) (.+)$", query.text, re.MULTILINE))


def right_option(query: Query) -> str:
    return options(query)[str(query.ground_truth)]


@pytest.mark.parametrize("name", CHOICE_TASKS)
def test_the_metric_reads_the_answer_in_the_form_that_is_asked_for(name: str) -> None:
    for query in drawn(name):
        letters = list(options(query))
        for letter in letters:
            expected = float(letter == query.ground_truth)
            for form in (f"Answer: {letter}", f"It is so.\n\nAnswer: ({letter})"):
                assert score(form, query).score == expected


def test_gpqa_gold_letters_stand_before_the_right_answer() -> None:
    queries = drawn("gpqa", "train") + drawn("gpqa", "test")
    assert len(queries) == 30
    assert all(right_option(query).startswith("right ") for query in queries)
    assert all(
        sum(text.startswith("wrong ") for text in options(query).values()) == 3 for query in queries
    )


def test_gpqa_options_are_shuffled_evenly_by_question_and_always_alike() -> None:
    rows = [
        {"Question": f"{words(f'gpqa {i}', 12)}?", "Correct Answer": "right"}
        | {f"Incorrect Answer {n}": f"wrong {n}" for n in (1, 2, 3)}
        for i in range(400)
    ]
    queries = drawn("gpqa", "train", rows)
    again = {query.id: query for query in drawn("gpqa", "train", rows[::-1])}
    counts = Counter(query.ground_truth for query in queries)
    orders = {tuple(options(query).values()) for query in queries}
    assert {query.id: query for query in queries} == again
    assert all(50 <= counts[letter] <= 100 for letter in "ABCD")  # 75 expected of 300
    assert len(orders) == 24  # a permutation and its inverse differ in most of them


def test_arc_labels_that_are_digits_become_letters() -> None:
    rows = [
        {
            "question": words(str(i), 9),
            "choices": {"text": ["one", "two", "three", "four"], "label": list(labels)},
            "answerKey": labels[2],
        }
        for i, labels in enumerate(("1234", "ABCD"))
    ]
    for query in drawn("arc_challenge", rows=rows):
        assert query.ground_truth == "C"
        assert right_option(query) == "three"


@pytest.mark.parametrize("name", ["commonsense_qa", "arc_challenge", "openbook_qa"])
def test_labels_and_not_places_decide_which_option_is_right(name: str) -> None:
    task = make_task(name)
    (row, *_) = (dict(row) for row in in_memory(task.splits.test[0]))
    row["choices"] = {"text": ["last", "first"], "label": ["B", "A"]}
    row["answerKey"] = "A"
    (query,) = drawn(name, rows=[row])
    assert right_option(query) == "first"


@pytest.mark.parametrize(
    ("name", "column"), [("commonsense_qa", "answerKey"), ("hellaswag", "label")]
)
def test_rows_without_an_answer_are_passed_over(name: str, column: str) -> None:
    rows: list[dict[str, Any]] = [dict(row) for row in in_memory(make_task(name).splits.test[0])]
    rows[4][column] = ""
    assert len(drawn(name, rows=rows)) == len(rows) - 1


def test_hellaswag_is_cleaned_and_its_number_counts_from_nought() -> None:
    for query in drawn("hellaswag"):
        assert not re.search(r"\[(header|title|step)\]", query.text)
    row = {
        "activity_label": "Whistling", "ctx": "[header] How to whistle [title] Wet your lips.",
        "endings": ["[step] Then blow.", "b", "c", "d"], "label": "0",
    }  # fmt: skip
    (query,) = drawn("hellaswag", rows=[row])
    assert right_option(query) == "Then blow."
    assert "Whistling: How to whistle Wet your lips." in query.text


def test_boolq_asks_for_yes_or_no() -> None:
    rows = [
        {"passage": "Snow.", "question": q, "answer": a} for q, a in (("x", True), ("y", False))
    ]
    assert {right_option(query) for query in drawn("boolq", rows=rows)} == {"yes", "no"}
    for query in drawn("boolq", rows=rows):
        assert right_option(query) == ("yes" if "x?" in query.text else "no")


def test_mmlu_learns_from_its_own_subjects() -> None:
    parts = make_task("mmlu").splits.train
    assert [part.split for part in parts] == ["validation", "dev"]
    assert all(isinstance(part, Part) for part in parts)


def test_gpqa_keeps_near_duplicates_in_one_split_whatever_the_order_of_their_options() -> None:
    in_test = {re.sub(r"\W", "", one.text.split("?")[0]).lower() for one in drawn("gpqa", "test")}
    in_train = {re.sub(r"\W", "", one.text.split("?")[0]).lower() for one in drawn("gpqa", "train")}
    assert len(in_test | in_train) == 20  # ten of the thirty questions come twice
    assert not in_test & in_train
