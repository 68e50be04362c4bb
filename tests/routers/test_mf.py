import numpy as np

from fusion_agents.routers.mf import MFRouter, reduced_rank_ridge
from tests.routers.samples import linear_sample, make_batch, make_sample

RANDOM = np.random.default_rng(0)
FEATURES = RANDOM.normal(size=(400, 10))
TRUTH = RANDOM.normal(size=(10, 2)) @ RANDOM.normal(size=(2, 6))


def test_weights_of_low_rank_are_recovered() -> None:
    query, arm = reduced_rank_ridge(FEATURES, FEATURES @ TRUTH, rank=2, alpha=1e-6)
    assert query.shape == (10, 2)
    np.testing.assert_allclose(query @ arm.T, TRUTH, atol=1e-6)


def test_weights_of_low_rank_are_recovered_from_half_of_the_cells() -> None:
    targets = FEATURES @ TRUTH
    targets[RANDOM.random(targets.shape) < 0.5] = np.nan
    query, arm = reduced_rank_ridge(FEATURES, targets, rank=2, alpha=1e-6)
    np.testing.assert_allclose(query @ arm.T, TRUTH, atol=0.05)


def test_of_full_rank_they_are_the_ridge_weights() -> None:
    targets = RANDOM.normal(size=(400, 3))
    query, arm = reduced_rank_ridge(FEATURES, targets, rank=3, alpha=5.0)
    gram = FEATURES.T @ FEATURES + 5.0 * np.eye(10)
    np.testing.assert_allclose(query @ arm.T, np.linalg.solve(gram, FEATURES.T @ targets))


def test_a_rank_above_the_number_of_arms_does_no_harm() -> None:
    model = MFRouter(rank=50).learn(linear_sample())
    assert model.arm_factors.shape == (2, 2)


def test_it_learns_which_arm_suits_a_vector() -> None:
    model = MFRouter(rank=1).learn(linear_sample())
    asked = np.zeros((2, 5))
    asked[:, 0] = 1.0, -1.0
    assert model.predict(make_batch(asked)).mean.argmax(axis=1).tolist() == [0, 1]


def test_two_fits_of_the_same_sample_are_equal() -> None:
    sample = make_sample(FEATURES, (FEATURES @ TRUTH > 0))
    one, other = (MFRouter().learn(sample).predict(make_batch(FEATURES)) for _ in range(2))
    np.testing.assert_array_equal(one.mean, other.mean)
