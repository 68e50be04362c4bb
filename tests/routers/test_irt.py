import numpy as np

from fusion_agents.routers import irt
from fusion_agents.routers.mf import fit_factors
from fusion_agents.routers.shrinkage import ArmPrior
from tests.routers.samples import linear_sample, make_batch


def test_the_gradient_is_that_of_the_loss() -> None:
    sample = linear_sample(60)
    sample.scores[::4, 1] = np.nan
    features = sample.vectors.astype(np.float64)
    linear = fit_factors(features, sample, ArmPrior.fit(sample.scores), rank=2, alpha=10.0)
    problem = irt.Posterior(features, sample.scores, linear, slope=0.2)
    random = np.random.default_rng(0)
    at = irt.Parameters(*(random.normal(size=size) for size in ((2,), (2, 2), (5, 2), (5,))))
    _, gradient = problem.loss(at)
    for name, slope in zip(at._fields, gradient, strict=True):
        direction = random.normal(size=slope.shape)
        ahead, behind = (
            problem.loss(at._replace(**{name: getattr(at, name) + step * direction}))[0]
            for step in (1e-5, -1e-5)
        )
        np.testing.assert_allclose((ahead - behind) / 2e-5, (slope * direction).sum(), rtol=1e-5)


def test_forecasts_are_probabilities() -> None:
    model = irt.IRTRouter().learn(linear_sample())
    mean = model.predict(make_batch(100 * np.eye(5))).mean
    assert ((mean >= 0) & (mean <= 1)).all()


def test_it_learns_which_arm_suits_a_vector() -> None:
    model = irt.IRTRouter().learn(linear_sample())
    asked = np.zeros((2, 5))
    asked[:, 0] = 1.0, -1.0
    assert model.predict(make_batch(asked)).mean.argmax(axis=1).tolist() == [0, 1]


def test_a_query_that_is_hard_for_all_arms_is_difficult() -> None:
    sample = linear_sample()
    sample.scores[:] = sample.vectors[:, 1:2] < 0
    model = irt.IRTRouter().learn(sample)
    assert model.difficulty.argmax() == 1


def test_graded_scores_are_met_on_average() -> None:
    sample = linear_sample()
    sample.scores[:, 0] = 0.3
    mean = irt.IRTRouter().learn(sample).predict(make_batch(sample.vectors)).mean
    np.testing.assert_allclose(mean[:, 0].mean(), 0.3, atol=0.02)
