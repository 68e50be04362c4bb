import numpy as np
import pytest

from fusion_agents.routers.statistics import arm_means


def test_of_complete_scores_they_are_the_plain_means() -> None:
    scores = np.random.default_rng(0).random((50, 3))
    np.testing.assert_allclose(arm_means(scores), scores.mean(axis=0))


def test_an_arm_that_was_given_the_hard_queries_is_not_held_against() -> None:
    random = np.random.default_rng(0)
    hard = np.arange(2000) < 1000
    chance = np.where(hard[:, None], [0.5, 0.3, 0.3, 0.3], [0.9, 0.7, 0.7, 0.7])
    scores = (random.random((2000, 4)) < chance).astype(float)
    scores[~hard, 0] = np.nan
    means = arm_means(scores)
    assert np.nanmean(scores[:, 0]) == pytest.approx(0.5, abs=0.02)
    assert means[0] > 0.6
    np.testing.assert_allclose(means[1:], 0.5, atol=0.02)


def test_an_arm_without_scores_has_no_mean() -> None:
    scores = np.array([[1.0, np.nan], [0.0, np.nan]])
    means = arm_means(scores)
    assert means[0] == pytest.approx(0.5)
    assert np.isnan(means[1])


def test_no_query_gives_no_mean() -> None:
    assert np.isnan(arm_means(np.zeros((0, 2)))).all()
