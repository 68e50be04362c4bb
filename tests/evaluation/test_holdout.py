import numpy as np
import pytest

from fusion_agents.errors import EmptyLogError, ObjectiveError
from fusion_agents.evaluation.holdout import HeldOut, hold_out
from fusion_agents.objective import Objective
from fusion_agents.outcomes import Outcomes
from tests.evaluation.logs import outcomes_of, specialists, text_of

NAN = np.nan
PERFORMANCE = Objective.parse("performance-first")


def divide(log: Outcomes, test_log: Outcomes | None = None, objective: str = "") -> HeldOut:
    chosen = Objective.parse(objective) if objective else PERFORMANCE
    return hold_out(log, test_log, chosen, test_fraction=0.3, seed=0)


def test_train_and_test_share_no_query() -> None:
    parts = divide(specialists(100))
    train, test = ({q.text for q in part.queries} for part in (parts.train, parts.test))
    assert not train & test
    assert len(train) + len(test) == 100


def test_test_queries_that_the_training_log_has_are_left_out_and_counted() -> None:
    train = outcomes_of(np.ones((30, 2)))
    texts = [f"  {text_of(0).upper()} ", *(text_of(i) for i in range(100, 120))]
    parts = divide(train, outcomes_of(np.ones((21, 2)), texts=texts))
    assert parts.test.n_queries == 20
    assert "1 of 21 test queries were left out" in parts.notes[0]


def test_arms_that_only_one_log_knows_are_left_out_by_name() -> None:
    train = outcomes_of(np.ones((30, 2)), arms=["a", "b"])
    texts = [text_of(i) for i in range(100, 130)]
    test = outcomes_of(np.ones((30, 2)), texts=texts, arms=["b", "c"])
    parts = divide(train, test)
    assert [arm.model for arm in parts.test.arms] == ["b"]
    assert parts.train.arms == parts.test.arms
    assert any("a@direct" in note for note in parts.notes)
    assert any("c@direct" in note for note in parts.notes)


def test_an_arm_with_hardly_any_answer_is_left_out() -> None:
    values = np.ones((200, 3))
    values[3:, 2] = NAN
    parts = divide(outcomes_of(values))
    assert [arm.model for arm in parts.test.arms] == ["arm0", "arm1"]
    assert "arm2@direct was left out" in parts.notes[0]


def test_unscored_test_queries_are_left_out_and_counted() -> None:
    values = np.ones((200, 2))
    values[::2] = NAN
    parts = divide(outcomes_of(values))
    assert not np.isnan(parts.test.performance).any()
    assert "test queries were left out: no arm's answer" in parts.notes[0]


def test_an_objective_that_the_log_cannot_serve_is_refused() -> None:
    with pytest.raises(ObjectiveError, match="weighs judge"):
        divide(specialists(100), objective="judge")


def test_an_empty_log_is_refused() -> None:
    with pytest.raises(EmptyLogError):
        divide(outcomes_of(np.ones((0, 2))))


def test_a_test_log_that_only_repeats_the_training_log_is_refused() -> None:
    with pytest.raises(EmptyLogError, match="no test queries are left: 50 of 50 test queries"):
        divide(specialists(50), specialists(50))


def test_logs_without_a_common_arm_are_refused_with_the_arms_of_both() -> None:
    texts = [text_of(i) for i in range(100, 130)]
    test = outcomes_of(np.ones((30, 1)), texts=texts, arms=["c"])
    with pytest.raises(EmptyLogError, match=r"no arm in common: .*a@direct.*c@direct"):
        divide(outcomes_of(np.ones((30, 1)), arms=["a"]), test)


def test_leaving_out_every_arm_is_refused_as_such() -> None:
    log = outcomes_of(np.ones((30, 2)), arms=["a", "b"])
    with pytest.raises(EmptyLogError, match="all arms of the log are excluded"):
        hold_out(log, None, PERFORMANCE, test_fraction=0.3, seed=0, exclude_arms=("a", "b"))
