import numpy as np

from fusion_agents.routers.heads.selection import difference_accuracy, routed_value, select


def _scores(seed: int = 0, n: int = 400, arms: int = 3) -> np.ndarray:
    return (np.random.default_rng(seed).random((n, arms)) < 0.5).astype(float)


def test_a_member_that_knows_the_answer_gets_all_the_weight() -> None:
    scores = _scores()
    noise = np.random.default_rng(1).random(scores.shape)

    weights = select([noise, scores, np.full(scores.shape, 0.5)], scores)

    np.testing.assert_allclose(weights, [0, 1, 0])


def test_weights_sum_to_one_with_missing_cells() -> None:
    scores = _scores(2)
    scores[np.random.default_rng(3).random(scores.shape) < 0.6] = np.nan
    scores = scores[~np.isnan(scores).all(axis=1)]
    members = [np.random.default_rng(i).random(scores.shape) for i in range(4)]

    assert np.isclose(select(members, scores).sum(), 1)


def test_routed_value_of_a_sharp_prediction_is_what_the_best_arm_earned() -> None:
    scores = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])

    assert np.isclose(routed_value(scores * 100, scores), 1.0)
    assert np.isclose(routed_value(-scores * 100, scores), 0.0)


def test_a_level_that_all_arms_share_matters_little_to_the_differences() -> None:
    scores = _scores(4, arms=20)
    shifted = scores + 0.5

    assert difference_accuracy(shifted, scores) > -0.001
    assert difference_accuracy(np.roll(scores, 1, axis=1), scores) < -0.1
