from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion_agents.errors import DataError
from fusion_agents.metrics.number import Number
from fusion_agents.metrics.numerals import read_numerals
from fusion_agents.types import Query


def score(response: str, gold: str, text: str = "How much?") -> float | None:
    return Number().score(response, Query(text=text, ground_truth=gold)).score


@pytest.mark.parametrize(
    ("response", "gold"),
    [
        ("18", "18"), ("#### 18", "18"), (r"\boxed{18}", "18"), ("The answer is $18.00.", "18"),
        ('{"answer": "18"}', "18"), ('{"answer": 18}', "18"), ("Answer: 1,250", "1250"),
        ("Answer: **$1,250.50**", "1250.5"), ("The answer is -3.", "-3"), ("−3", "-3"),
        ("The answer is 1/2.", "0.5"), (r"\boxed{\frac{3}{4}}", "0.75"), ("3 1/2", "3.5"),
        ("1.2e3", "1200"), (r"$1.2 \times 10^{3}$", "1200"), ("5%", "5"), ("5%", "0.05"),
        ("The answer is 12 apples a day.", "12"), ("The answer is 4 * 5 = 20.", "20"),
        ("So she pays 2 + 3 = 5 dollars.", "5"), ("The answer is eighteen.", "18"),
        ("The answer is 3. No: the answer is 18.", "18"), ("It is 2 million.", "2000000"),
        ("3.333", "3.33"), ("<think>The answer is 7.</think>The answer is 18", "18"),
        ("The final answer is 18, meaning that f(2) = 3.", "18"), ("1{,}250", "1250"),
        ("The answer is that 3 men need 18 days.", "18"), (".5", "0.5"), (r"\$18", "18"),
        ("The answer is 18.\n\nQuestion: How many more?\nThe answer is 4.", "18"),
        ("Twelve apples.", "12"), ("The answer is five hundred and two dollars.", "502"),
        ("The answer is two dozen.", "24"), ("Answer: two thirds", "2/3"), ("minus 18", "-18"),
        ("The answer is negative 5.", "-5"), ("The answer is minus five.", "-5"), ("3½", "3.5"),
        ("答案是18。", "18"), ("US$18", "18"), (r"\boxed{1\,800}", "1800"),
    ],
)  # fmt: skip
def test_the_final_number_is_read(response: str, gold: str) -> None:
    assert score(response, gold, "How long do 3 men need?") == 1.0


@pytest.mark.parametrize(
    ("response", "gold"),
    [
        ("35", "3.5"), ("3.5", "35"), ("18", "1.8"), ("180", "18"), ("3", "-3"), ("12:30", "12"),
        ("The answer is 17 or 18.", "18"), ("18 was my first thought. Answer: 17", "18"),
        ('{"reasoning": "it may be 18", "answer": "unknown"}', "18"), ("A18B", "18"),
        ("The answer is negative 5.", "5"), ("The answer is five hundred.", "5"),
        ("The answer is one half.", "1"), ("The answer is not 18.", "18"), ("Answer: 9 + 9", "9"),
        ("The answer isn't 18", "18"), ("Answer: not 18", "18"), ("Answer: 17-19", "17"),
        ('{"answer": [17, 18]}', "18"), ("The wrong answer is 18.", "18"),
        ("3.34", "3.33"), ("25.88", "26"), ("many", "18"), ("1e999999999", "18"),
    ],
)  # fmt: skip
def test_another_number_is_not_the_right_one(response: str, gold: str) -> None:
    assert score(response, gold) == 0.0


def test_a_worked_solution_is_a_ground_truth() -> None:
    assert score("The answer is 20,000.", "Half of 40,000.\n40,000 / 2 = 20,000\n#### 20,000") == 1


def test_a_ground_truth_without_a_number_is_refused() -> None:
    with pytest.raises(DataError, match="no number"):
        score("18", "eighty or so, who knows exactly")


def test_no_number_at_all_is_named_as_the_reason() -> None:
    scored = Number().score("I cannot say.", Query(text="?", ground_truth="18"))
    assert scored == (0.0, "no stated number", None)


@given(st.fractions(-(10**6), 10**6, max_denominator=1000))
def test_fractions_are_read_as_they_are_written(value: Fraction) -> None:
    assert [n.value for n in read_numerals(str(value))] == [value]


@given(st.integers(-(10**12), 10**12))
def test_commas_change_nothing(value: int) -> None:
    assert [n.value for n in read_numerals(f"{value:,}")] == [value]


@given(st.decimals(-(10**6), 10**6, places=2), st.sampled_from(["$", "€", ""]))
def test_a_number_equals_itself_in_any_currency(value: object, currency: str) -> None:
    assert score(f"The answer is {currency}{value}.", f"{value}") == 1.0
