import pytest

from fusion_agents.strategies.examples import best_examples
from tests.strategies.logs import entry


def answers(entries: object, **options: object) -> list[str]:
    return [example.answer for example in best_examples(entries, **options)]  # type: ignore[arg-type]


def test_the_best_answer_to_a_query_is_chosen() -> None:
    assert answers([entry("a", "good", 0.9), entry("a", "better", 1.0, "large")]) == ["better"]


def test_of_equally_good_answers_the_shortest_is_chosen_in_any_order() -> None:
    entries = [entry("a", "long answer"), entry("a", "short", model="large")]
    assert answers(entries) == answers(entries[::-1]) == ["short"]


def test_a_best_answer_below_the_floor_is_no_example() -> None:
    entries = [entry("a", "fair", 0.7)]
    assert answers(entries) == []
    assert answers(entries, floor=0.7) == ["fair"]


@pytest.mark.parametrize(
    "best",
    [
        entry("a", None, model="large"),
        entry("a", "  ", model="large"),
        entry("a", "cut o", model="large", finish_reason="length"),
    ],
)
def test_a_worse_answer_does_not_stand_in_for_a_best_one_without_text(best: object) -> None:
    assert answers([entry("a", "worse", 0.9), best]) == []


def test_an_equally_good_answer_does() -> None:
    assert answers([entry("a", "as good"), entry("a", None, model="large")]) == ["as good"]


def test_failed_and_unscored_attempts_are_left_out() -> None:
    failed = entry("a", "oops", None, error="timeout")
    assert answers([failed, entry("b", "who knows", None)], scores={failed.key: 1.0}) == []


def test_judge_scores_count_where_performance_is_not_known() -> None:
    judged = entry("a", "judged", None)
    assert answers([judged], scores={judged.key: 0.9}) == ["judged"]


def test_a_performance_outranks_a_judges_score() -> None:
    judged = entry("a", "judged", None, "large")
    assert answers([entry("a", "wrong", 0.1), judged], scores={judged.key: 1.0}) == []


def test_examples_do_not_depend_on_the_order_of_the_log() -> None:
    entries = [entry(f"question number {i} of a kind {i * i}", f"{i}") for i in range(20)]
    assert best_examples(entries) == best_examples(entries[::-1])


def test_texts_that_no_provider_takes_are_mended() -> None:
    messages = best_examples([entry("a\ud800?", "b\ud800")])[0].messages()
    assert [message.content for message in messages] == ["a??", "b?"]
