import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fusion_agents.evaluation.bootstrap import interval, resampled_sums


def test_every_draw_has_as_many_groups_as_the_sample() -> None:
    sums = resampled_sums(np.ones((5, 1)), np.array([0, 0, 1, 2, 2]), n_bootstrap=200, seed=1)
    assert set(sums.ravel()) <= {3.0, 4.0, 5.0, 6.0}
    assert sums.mean() > 4.5


def test_a_group_is_drawn_as_a_whole() -> None:
    columns = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    sums = resampled_sums(columns, np.array([7, 7, 3]), n_bootstrap=50, seed=0)
    assert set(sums[:, 0]) == {0.0, 2.0, 4.0}


def test_names_of_groups_do_not_matter() -> None:
    values = np.arange(12.0).reshape(6, 2)
    one = resampled_sums(values, np.array([5, 5, 1, 9, 9, 9]), n_bootstrap=20, seed=3)
    other = resampled_sums(values, np.array([0, 0, 7, 2, 2, 2]), n_bootstrap=20, seed=3)
    np.testing.assert_array_equal(one, other)


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=30), st.integers(0, 5))
def test_equal_columns_have_equal_sums_in_every_draw(values: list[float], seed: int) -> None:
    column = np.array(values)[:, None]
    sums = resampled_sums(
        np.hstack([column, column]), np.arange(len(values)), n_bootstrap=10, seed=seed
    )
    np.testing.assert_array_equal(sums[:, 0], sums[:, 1])


def test_the_interval_of_a_mean_is_about_two_standard_errors_wide() -> None:
    values = np.random.default_rng(0).normal(size=(400, 1))
    draws = resampled_sums(values, np.arange(400), n_bootstrap=4000, seed=0)[:, 0] / 400
    low, high = interval(draws)
    assert abs((high - low) / 2 - 1.96 / np.sqrt(400)) < 0.01
    assert low < values.mean() < high


def test_an_interval_of_nothing_is_not_known() -> None:
    assert all(np.isnan(interval(np.full(3, np.nan))))
