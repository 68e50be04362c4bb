import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion_agents.evaluation.calibration import calibration

scores = st.lists(st.tuples(st.floats(-0.2, 1.2), st.floats(0, 1)), min_size=1, max_size=40)


def test_the_error_is_the_distance_in_each_bin_weighed_by_its_cells() -> None:
    forecast = np.array([[0.1, 0.1, 0.9], [0.9, 0.9, 0.9]])
    outcome = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, np.nan]])
    found = calibration(forecast, outcome, n_bins=10)
    assert found is not None
    assert found.error == pytest.approx((2 * 0.1 + 3 * abs(0.9 - 2 / 3)) / 5)
    assert [one.n for one in found.bins] == [2, 3]


def test_nothing_known_gives_no_calibration() -> None:
    assert calibration(np.array([0.5]), np.array([np.nan])) is None


def test_a_forecast_of_one_falls_into_the_last_bin() -> None:
    found = calibration(np.array([1.0, 0.99]), np.array([1.0, 1.0]))
    assert found is not None
    assert len(found.bins) == 1


@given(scores)
def test_the_error_lies_between_zero_and_one(pairs: list[tuple[float, float]]) -> None:
    forecast, outcome = np.array(pairs).T
    found = calibration(forecast, outcome)
    assert found is not None
    assert 0 <= found.error <= 1
    assert sum(one.n for one in found.bins) == len(pairs)
