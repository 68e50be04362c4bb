import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion_agents.evaluation.hull import Point, hull_area, quality_at, upper_hull

points = st.lists(
    st.builds(Point, st.integers(1, 50).map(float), st.integers(0, 100).map(lambda q: q / 100)),
    min_size=1,
    max_size=12,
)


def test_the_hull_leaves_out_what_a_mixture_beats() -> None:
    given_points = [Point(1, 0.2), Point(2, 0.3), Point(3, 0.8), Point(4, 0.7)]
    assert upper_hull(given_points) == [Point(1, 0.2), Point(3, 0.8)]


def test_the_area_is_the_mean_quality_between_two_costs() -> None:
    hull = upper_hull([Point(1, 0.5), Point(2, 0.9), Point(5, 1.0)])
    assert hull_area(hull, 1, 5) == pytest.approx((0.7 * 1 + 0.95 * 3) / 4)
    assert hull_area(hull, 5, 7) == 1.0
    assert hull_area(hull, 3, 3) == pytest.approx(0.9 + 0.1 / 3)


@given(points)
def test_no_point_lies_above_the_hull(some: list[Point]) -> None:
    hull = upper_hull(some)
    assert all(p.quality <= quality_at(hull, p.cost) + 1e-9 for p in some)
    assert set(hull) <= set(some)


@given(points)
def test_the_hull_rises_ever_more_slowly(some: list[Point]) -> None:
    hull = upper_hull(some)
    slopes = [(b.quality - a.quality) / (b.cost - a.cost) for a, b in itertools.pairwise(hull)]
    assert all(slope > 0 for slope in slopes)
    assert slopes == sorted(slopes, reverse=True)


@given(points, points)
def test_more_points_never_lower_the_hull(some: list[Point], more: list[Point]) -> None:
    low, high = upper_hull(some), upper_hull(some + more)
    assert all(quality_at(high, p.cost) >= quality_at(low, p.cost) - 1e-9 for p in some)
