import numpy as np

from fusion_agents.routers.linear import LinearError, fit_ridge
from fusion_agents.routers.shrinkage import ArmPrior

RANDOM = np.random.default_rng(0)
FEATURES = RANDOM.normal(size=(200, 6))
WEIGHTS = RANDOM.normal(size=(6, 3))
TARGETS = FEATURES @ WEIGHTS + 0.5 * RANDOM.normal(size=(200, 3))
FOLDS = np.arange(200) % 5


def closed_form(known: "np.ndarray[tuple[int], np.dtype[np.bool_]]", target: int) -> np.ndarray:
    x, y = FEATURES[known], TARGETS[known, target]
    return np.linalg.solve(x.T @ x + 10.0 * np.eye(6), x.T @ y)


def test_weights_are_those_of_the_closed_form_on_the_queries_where_a_target_is_known() -> None:
    targets = TARGETS.copy()
    targets[::3, 1] = np.nan
    fit = fit_ridge(FEATURES, targets, FOLDS, (10.0,))
    for target in range(3):
        known = ~np.isnan(targets[:, target])
        np.testing.assert_allclose(fit.weights[:, target], closed_form(known, target))


def test_cross_validation_prefers_a_weak_penalty_for_signal_and_the_strongest_for_noise() -> None:
    assert fit_ridge(FEATURES, TARGETS, FOLDS).alpha <= 10.0
    noise = np.random.default_rng(1).normal(size=(200, 3))
    assert fit_ridge(FEATURES, noise, FOLDS).alpha >= 300.0


def test_cross_validation_compares_arms_within_a_query() -> None:
    shared = 10.0 * np.random.default_rng(2).normal(size=(200, 1))
    assert fit_ridge(FEATURES, TARGETS + shared, FOLDS).alpha <= 10.0


def test_a_target_that_is_never_known_has_no_weights() -> None:
    targets = TARGETS.copy()
    targets[:, 1] = np.nan
    weights = fit_ridge(FEATURES, targets, FOLDS).weights
    assert (weights[:, 1] == 0).all()
    assert (weights[:, 0] != 0).all()


def test_a_single_fold_is_no_reason_to_fail() -> None:
    fit = fit_ridge(FEATURES, TARGETS, np.full(200, 2))
    assert np.isfinite(fit.weights).all()


def test_standard_errors_grow_with_distance_and_shrink_with_answers() -> None:
    scores = (TARGETS > 0).astype(float)
    count = np.array([200, 50, 5])
    error = LinearError.fit(FEATURES, count, ArmPrior.fit(scores), alpha=10.0)
    near, far = error.std(np.array([[0.1] * 6, [3.0] * 6], dtype=np.float32))
    assert (far > near).all()
    assert far[0] < far[1] < far[2]


def test_standard_errors_are_those_of_a_bayesian_regression() -> None:
    arms = ArmPrior.fit((TARGETS > 0).astype(float))
    error = LinearError.fit(FEATURES, np.array([200, 200, 200]), arms, alpha=10.0)
    query = np.array([[0.3, -0.2, 0.5, 0.1, 0.0, 0.4]])
    covariance = np.linalg.inv(FEATURES.T @ FEATURES + 10.0 * np.eye(6))
    expected = np.sqrt(arms.variance * (query @ covariance @ query.T) + arms.error)
    np.testing.assert_allclose(error.std(query.astype(np.float32)), expected, rtol=1e-4)
