import numpy as np
import pytest

from fusion_agents.routers.shrinkage import ARM_PRIOR, ArmPrior

SCORES = np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 0.0], [1.0, 0.0]])


def test_the_prior_mean_lies_between_the_arm_and_the_average_arm() -> None:
    prior = ArmPrior.fit(SCORES)
    assert prior.mean[0] == pytest.approx((4 * 0.75 + ARM_PRIOR * 0.5) / (4 + ARM_PRIOR))
    assert prior.mean[1] == pytest.approx((4 * 0.25 + ARM_PRIOR * 0.5) / (4 + ARM_PRIOR))


def test_three_lucky_answers_do_not_make_the_best_arm() -> None:
    scores = np.full((200, 3), np.nan)
    scores[:, 0] = np.arange(200) % 10 < 7
    scores[:, 1] = np.arange(200) % 10 < 3
    scores[:3, 2] = 1.0
    prior = ArmPrior.fit(scores)
    assert np.argmax(prior.mean) == 0
    assert prior.error[2] > 10 * prior.error[0]


def test_an_arm_without_scores_is_unknown() -> None:
    prior = ArmPrior.fit(np.column_stack([SCORES, np.full(4, np.nan)]))
    assert np.isnan([prior.mean[2], prior.variance[2], prior.error[2]]).all()
    np.testing.assert_allclose(prior.mean[:2], ArmPrior.fit(SCORES).mean)


def test_without_shrinkage_a_neighbourhood_has_its_own_mean() -> None:
    estimate = ArmPrior.fit(SCORES).local(
        np.array([[2.0, 4.0]]), np.array([[1.0, 3.0]]), np.array([[1.0, 3.0]]), prior=0.0
    )
    np.testing.assert_allclose(estimate.mean, [[0.5, 0.75]])
    assert (estimate.std > 0).all()


def test_an_arm_that_answered_nothing_nearby_is_expected_to_find_it_as_hard_as_the_others() -> None:
    prior = ArmPrior.fit(SCORES)
    hard = prior.local(
        np.array([[1000.0, 0.0]]), np.array([[0.0, 0.0]]), np.array([[0.0, 0.0]]), prior=5.0
    )
    assert hard.mean[0, 1] == pytest.approx(prior.mean[1] - prior.mean[0], abs=0.01)


def test_more_answers_make_a_smaller_standard_error() -> None:
    count = np.array([[1.0, 1.0], [10.0, 10.0], [100.0, 100.0]])
    std = ArmPrior.fit(SCORES).local(count, count / 2, count / 2, prior=10.0).std
    assert (np.diff(std, axis=0) < 0).all()


def test_no_answer_and_no_shrinkage_gives_the_arms_mean() -> None:
    prior = ArmPrior.fit(SCORES)
    nothing = np.zeros((1, 2))
    estimate = prior.local(nothing, nothing, nothing, prior=0.0)
    np.testing.assert_allclose(estimate.mean[0], prior.mean)
    assert np.isfinite(estimate.std).all()
