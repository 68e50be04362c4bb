import numpy as np

from fusion_agents.evaluation.collection import collection_of

NAN = np.nan


def test_a_log_without_gaps_is_complete() -> None:
    assert collection_of(np.ones((2, 2)), np.full((2, 2), NAN)).kind == "complete"


def test_queries_of_which_nothing_is_known_leave_a_log_complete() -> None:
    values = np.array([[1.0, 0.0], [NAN, NAN]])
    assert collection_of(values, np.ones((2, 2))).kind == "complete"


def test_one_answer_a_query_without_propensities_was_chosen_for_certain() -> None:
    values = np.array([[1.0, NAN], [NAN, 0.0]])
    assert collection_of(values, np.ones((2, 2))).kind == "certain"


def test_recorded_propensities_are_kept_where_the_answer_is_known() -> None:
    values = np.array([[1.0, NAN], [NAN, 0.0]])
    propensity = np.array([[0.25, NAN], [NAN, 0.75]])
    collection = collection_of(values, propensity)
    assert collection.kind == "recorded"
    assert (collection.probability[0, 0], collection.probability[1, 1]) == (0.25, 0.75)


def test_two_drawn_answers_to_one_query_count_as_two_draws() -> None:
    values = np.array([[1.0, 0.0, NAN], [1.0, NAN, NAN]])
    propensity = np.array([[0.2, 0.3, NAN], [0.2, NAN, NAN]])
    probability = collection_of(values, propensity).probability
    np.testing.assert_allclose(probability[0, :2], [0.4, 0.6])
    assert probability[1, 0] == 0.2


def test_gaps_in_a_forced_collection_get_the_share_of_queries_that_each_arm_answered() -> None:
    values = np.array([[1.0, 1.0], [0.0, NAN], [1.0, 1.0], [0.0, NAN], [NAN, NAN]])
    collection = collection_of(values, np.ones((5, 2)))
    assert collection.kind == "at-random"
    np.testing.assert_allclose(collection.probability[0], [1.0, 0.5])
