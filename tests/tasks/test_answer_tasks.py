"""Tasks whose answers are numbers, formulas or words."""

from collections.abc import Mapping
from typing import Any

import pytest

from fusion_agents.metrics import score
from fusion_agents.tasks import make_task
from fusion_agents.tasks.math import boxed
from fusion_agents.types import Query
from tests.tasks.rows import in_memory


def drawn(name: str, *rows: Mapping[str, Any]) -> list[Query]:
    loader = (lambda _: rows) if rows else in_memory
    return list(make_task(name).samples("test", None, 0, loader=loader))


def test_gsm8k_takes_the_number_behind_the_marks() -> None:
    worked = "She had 3 #### no.\n#### 1,234.50"
    (query,) = drawn("gsm8k", {"question": "How much? ", "answer": worked})
    assert query.ground_truth == "1,234.50"
    assert query.text.startswith("How much?\n\n")
    assert score("So it is 7.\n\nAnswer: 1234.5", query).score == 1
    assert score("So it is 1234.5.\n\nAnswer: 12345", query).score == 0


def test_gsm8k_passes_over_rows_without_a_marked_number() -> None:
    assert drawn("gsm8k", {"question": "How much?", "answer": "3"}) == []


def test_math_takes_the_last_box_and_the_metric_reads_it() -> None:
    solution = r"Not $\boxed{2}$ but $\boxed{\frac{1}{2}}$, half."
    (query,) = drawn("math", {"problem": "What is it?", "solution": solution})
    assert query.ground_truth == r"\frac{1}{2}"
    assert score(r"It is \boxed{0.5}.", query).score == 1
    assert score(r"It is \boxed{2}.", query).score == 0


@pytest.mark.parametrize(
    ("solution", "answer"),
    [
        (r"\boxed{a_{1}} and \boxed{\{1, 2\}}", r"\{1, 2\}"),
        (r"\fbox{7}", "7"),
        (r"\boxed 7$", "7"),
        (r"\boxed{\left\{ \frac{1}{2} \right\}}", r"\left\{ \frac{1}{2} \right\}"),
        (r"\boxed{never shut", ""),
        ("no box", ""),
    ],
)
def test_boxes_of_every_kind_are_read(solution: str, answer: str) -> None:
    assert boxed(solution) == answer


def test_math_draws_from_all_of_its_areas() -> None:
    splits = make_task("math").splits
    assert len({part.config for part in splits.train}) == len(splits.test) == 7
    assert len(drawn("math")) == 7 * 14


def test_trivia_qa_keeps_every_alias_once_and_asks_once_what_is_listed_twice() -> None:
    answer = {
        "value": "Saint Petersburg", "aliases": ["St Petersburg", "Leningrad", "Leningrad"],
        "normalized_value": "saint petersburg", "normalized_aliases": ["leningrad", "petrograd"],
    }  # fmt: skip
    row = {"question": "Which city?", "answer": answer}
    (query,) = drawn("trivia_qa", row, row)
    assert query.ground_truth == (
        "Saint Petersburg", "St Petersburg", "Leningrad", "saint petersburg", "leningrad",
        "petrograd",
    )  # fmt: skip
    for alias in ("Saint Petersburg", "Leningrad", "Petrograd"):
        assert score(f"Answer: {alias}", query).score == 1
    assert score("Answer: Moscow", query).score == 0


def test_natural_questions_keep_every_answer() -> None:
    (query,) = drawn("natural_qa", {"question": "who did it", "answer": ["Ann", "Bob", "Ann"]})
    assert query.ground_truth == ("Ann", "Bob")
    assert score("Answer: Bob", query).score == 1
    assert score("Answer: Bobby", query).score == 0


def test_squad_shows_the_passage_and_keeps_every_annotators_answer() -> None:
    row = {
        "context": "The bridge opened in May 1932.", "question": "When did it open?",
        "answers": {"text": ["May 1932", "in May 1932", "May 1932"], "answer_start": [21, 18, 21]},
    }  # fmt: skip
    (query,) = drawn("squad", row)
    assert query.ground_truth == ("May 1932", "in May 1932")
    assert query.text.startswith("The bridge opened in May 1932.\n\nQuestion: When did it open?")
    assert score("It says so.\n\nAnswer: May 1932", query).score == 1
    assert score("Answer: the bridge", query).score == 0


@pytest.mark.parametrize("name", ["natural_qa", "trivia_qa", "squad"])
def test_the_metric_reads_each_right_answer_in_the_form_that_is_asked_for(name: str) -> None:
    for query in drawn(name):
        assert isinstance(query.ground_truth, tuple)
        for answer in query.ground_truth:
            assert score(f"Let me see.\n\nAnswer: {answer}", query).score == 1
