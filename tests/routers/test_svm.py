import numpy as np

from fusion_agents.routers.svm import SVMRouter
from tests.routers.samples import linear_sample, make_batch


def test_it_learns_which_arm_suits_a_vector() -> None:
    model = SVMRouter().learn(linear_sample())
    asked = np.zeros((2, 5))
    asked[:, 0] = 1.0, -1.0
    assert model.predict(make_batch(asked)).mean.argmax(axis=1).tolist() == [0, 1]


def test_forecasts_of_right_and_wrong_answers_are_means_not_medians() -> None:
    sample = linear_sample(2000)
    sample.scores[:] = np.random.default_rng(0).random((2000, 2)) < [0.8, 0.3]
    mean = SVMRouter().learn(sample).predict(make_batch(sample.vectors)).mean.mean(axis=0)
    np.testing.assert_allclose(mean, sample.scores.mean(axis=0), atol=0.03)


def test_a_larger_c_trusts_the_log_more() -> None:
    sample = linear_sample(100)
    timid, bold = (
        SVMRouter(C=C).learn(sample).predict(make_batch(sample.vectors)).mean for C in (0.01, 10.0)
    )
    assert np.ptp(bold[:, 0] - bold[:, 1]) > 2 * np.ptp(timid[:, 0] - timid[:, 1])
