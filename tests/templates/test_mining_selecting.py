"""Which answers are learned from."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion_agents.right_answers.candidates import Candidate, Floors
from fusion_agents.templates.selecting import Criterion, select


def answer(
    key: str,
    performance: float | None = 1.0,
    judge: float | None = None,
    cost: float | None = 0.01,
    *,
    text: int | None = None,
    worth: float | None = None,
) -> Candidate:
    number = hash(key) if text is None else text
    return Candidate(key, "q", "model", performance, judge, worth, cost, number)


FIVE = [
    answer("a", 1.0, 0.2, 0.01),
    answer("b", 1.0, 0.9, 0.02),
    answer("c", 1.0, 0.5, 0.03),
    answer("d", 1.0, 0.7, 0.04),
    answer("e", 1.0, None, 0.05),
    answer("f", 1.0, 1.0, 0.06),
]


@pytest.mark.parametrize(
    ("criterion", "keys"),
    [("performance", "abc"), ("judge", "fbd"), ("hybrid", "bdc")],
)
def test_each_criterion_has_its_order(criterion: Criterion, keys: str) -> None:
    assert [one.key for one in select(FIVE, criterion).right] == list(keys)


def test_cheaper_answers_come_first_and_unknown_costs_last() -> None:
    some = [answer("a", cost=None), answer("b", cost=0.2), answer("c", cost=0.1)]
    assert [one.key for one in select(some, "performance").right] == ["c", "b", "a"]


def test_better_answers_come_first_where_a_floor_lets_several_pass() -> None:
    some = [answer("a", 0.6, cost=0.001), answer("b", 0.9), answer("c", 0.2)]
    selection = select(some, "performance", Floors(performance=0.5))
    assert [one.key for one in selection.right] == ["b", "a"]
    assert selection.share == pytest.approx(2 / 3)


def test_a_judge_decides_only_where_performance_is_not_known() -> None:
    some = [
        answer("a", 0.0, 1.0),
        answer("b", None, 0.8),
        answer("c", None, 0.6),
        answer("d", None),
    ]
    selection = select(some, "hybrid")
    assert [one.key for one in selection.right] == ["b"]
    assert [one.key for one in selection.wrong] == ["a", "c"]


def test_a_calibrated_score_counts_for_what_it_is_worth() -> None:
    assert not select([answer("a", None, 0.9, worth=0.3)], "judge").right
    assert select([answer("a", None, 0.5, worth=0.8)], "judge").right


def test_equal_texts_count_once() -> None:
    some = [answer("a", cost=0.2, text=7), answer("b", cost=0.1, text=7), answer("c", text=8)]
    assert {one.key for one in select(some, "performance").right} == {"b", "c"}


@given(
    st.lists(
        st.builds(
            answer,
            st.text("abcdef", min_size=1, max_size=3),
            st.sampled_from([None, 0.0, 0.5, 1.0]),
            st.sampled_from([None, 0.1, 0.7, 1.0]),
            st.sampled_from([None, 0.0, 0.1]),
        ),
        unique_by=lambda one: one.key,
    ),
    st.sampled_from(["performance", "judge", "hybrid"]),
    st.randoms(),
)
def test_only_right_answers_are_chosen_whatever_the_order(
    some: list[Candidate],
    criterion: Criterion,
    random: object,
) -> None:
    chosen = select(some, criterion)
    assert len(chosen.right) <= 3
    assert all(Floors().is_right(one) for one in chosen.right)
    assert all(Floors().is_right(one) is False for one in chosen.wrong)
    random.shuffle(some)  # type: ignore[attr-defined]
    assert select(some, criterion) == chosen
