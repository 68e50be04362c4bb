import numpy as np
import pytest

from fusion_agents.routers.elo import EloRouter, bradley_terry, pairwise_wins
from tests.routers.samples import make_batch, make_sample


def test_ties_are_half_a_win_for_both() -> None:
    scores = np.array([[1.0, 0.0], [0.5, 0.5], [0.2, 0.3], [np.nan, 1.0]])
    np.testing.assert_allclose(pairwise_wins(scores), [[0.0, 1.5], [1.5, 0.0]])


def test_a_query_counts_once_for_an_arm_however_many_others_answered() -> None:
    wins = pairwise_wins(np.array([[1.0, 0.0, 0.0, 0.0]]))
    np.testing.assert_allclose(wins[0], [0.0, 1 / 3, 1 / 3, 1 / 3])


def test_the_ratings_of_two_arms_are_the_log_odds_of_their_wins() -> None:
    ratings = bradley_terry(np.array([[0.0, 3.0], [1.0, 0.0]]), prior=1e-6)
    assert ratings[0] - ratings[1] == pytest.approx(np.log(3.0), abs=1e-3)
    assert ratings.sum() == pytest.approx(0.0, abs=1e-3)


def test_arms_that_win_alike_have_the_rating_of_an_average_arm() -> None:
    np.testing.assert_allclose(bradley_terry(np.ones((3, 3)) - np.eye(3), 1.0), 0.0, atol=1e-6)


def test_an_arm_that_was_given_the_hard_queries_is_rated_by_whom_it_beats() -> None:
    random = np.random.default_rng(0)
    hard = np.arange(600) < 300
    chance = np.where(hard[:, None], [0.3, 0.1, 0.2], [0.9, 0.8, 0.85])
    scores = (random.random((600, 3)) < chance).astype(float)
    scores[~hard, 0] = np.nan
    model = EloRouter().learn(make_sample(np.zeros((600, 0)), scores))
    assert np.nanmean(scores, axis=0).argmax() != 0
    assert model.ratings.argmax() == 0


def test_expected_scores_keep_the_order_of_the_ratings_and_the_level_of_the_means() -> None:
    random = np.random.default_rng(1)
    scores = (random.random((2000, 3)) < [0.8, 0.5, 0.65]).astype(float)
    model = EloRouter().learn(make_sample(np.zeros((2000, 0)), scores))
    mean = model.predict(make_batch(np.zeros((1, 0)))).mean[0]
    np.testing.assert_array_equal(np.argsort(mean), np.argsort(model.ratings))
    np.testing.assert_allclose(mean, [0.8, 0.5, 0.65], atol=0.03)
