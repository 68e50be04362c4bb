from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion_agents.errors import DataError
from fusion_agents.judges.base import Case
from fusion_agents.judges.feedback import FeedbackJudge, feedback_score, read_feedback
from fusion_agents.types import Query

RUN = "3f2b8c1e-0000-4000-8000-000000000001"


@pytest.mark.parametrize(
    ("said", "score"),
    [
        (True, 1.0),
        (False, 0.0),
        (1, 1.0),
        (0, 0.0),
        (0.25, 0.25),
        ("up", 1.0),
        ("Thumbs-Up", 1.0),
        ("thumbs_down", 0.0),
        ("👍🏽", 1.0),
        (":thumbsdown:", 0.0),
        ("+1", 1.0),
        ("-1", 0.0),
        ("0.4", 0.4),
        ("1 of 5", 0.0),
        ("3/5", 0.5),
        ("5 out of 5 stars", 1.0),
        ((4, 5), 0.75),
        ([2, 3], 0.5),
        (None, None),
    ],
)
def test_thumbs_numbers_and_ratings_are_scores(said: object, score: float | None) -> None:
    assert feedback_score(said) == score
    assert feedback_score(None, said) == score


@pytest.mark.parametrize(
    "said",
    [4, -1, 1.5, float("nan"), "nan", "7", "so-so", "", "0 of 5", "6/5", (1, 1), (1.5, 5), {}],
)
def test_what_says_no_score_is_refused(said: object) -> None:
    with pytest.raises(DataError):
        feedback_score(said)


@given(st.integers(2, 100).flatmap(lambda m: st.tuples(st.integers(1, m), st.just(m))))
def test_a_rating_lies_in_the_unit_interval_and_rises(rating: tuple[int, int]) -> None:
    n, m = rating
    score = feedback_score(rating)
    assert score is not None
    assert 0.0 <= score <= 1.0
    assert n == m or score < (feedback_score((n + 1, m)) or 0.0)


def test_a_score_counts_before_a_value() -> None:
    assert feedback_score(0.2, "up") == 0.2


def test_feedback_as_langsmith_has_it_is_read() -> None:
    given = {"run_id": UUID(RUN), "key": "quality", "score": 1, "comment": "Good.", "id": "x"}
    found = read_feedback(given)
    assert (found.run_id, found.key, found.score, found.comment) == (RUN, "quality", 1.0, "Good.")


def test_words_alone_are_feedback_without_a_score() -> None:
    found = read_feedback({"run_id": RUN, "value": "so-so", "comment": "It depends."})
    assert (found.score, found.value, found.comment) == (None, "so-so", "It depends.")


@pytest.mark.parametrize(
    "given",
    [
        {"score": 1},
        {"run_id": " ", "score": 1},
        {"run_id": 7, "score": 1},
        {"run_id": RUN},
        {"run_id": RUN, "score": 17, "comment": "x"},
    ],
)
def test_feedback_that_names_no_run_or_says_nothing_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(DataError):
        read_feedback(given)


def test_users_are_not_asked() -> None:
    verdict = FeedbackJudge().judge(Case(query=Query(text="Hello?"), response="Hello."))
    assert (verdict.score, verdict.refused) == (None, True)


def test_a_click_is_a_verdict() -> None:
    verdict = FeedbackJudge().verdict("👎", comment="It is 4.")
    assert (verdict.score, verdict.reason) == (0.0, "It is 4.")
