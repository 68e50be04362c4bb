"""The cost-quality hull: what mixing policies can buy."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Point(NamedTuple):
    """What a policy costs and how good it is."""

    cost: float
    """Dollars per query."""
    quality: float


def upper_hull(points: Sequence[Point]) -> list[Point]:
    """The points that no mixture of others beats, from the cheapest to the best.

    Tossing a coin between two policies reaches every point on the line between them, so what is
    below the concave hull is not worth running. The hull ends at the highest quality, at the
    cheapest point that has it.

    >>> upper_hull([Point(1, 0.5), Point(2, 0.4), Point(3, 0.9), Point(4, 0.9)])
    [Point(cost=1, quality=0.5), Point(cost=3, quality=0.9)]
    """
    hull: list[Point] = []
    for point in sorted(points, key=lambda p: (p.cost, -p.quality)):
        if hull and point.quality <= hull[-1].quality:
            continue
        while len(hull) > 1 and _slope(hull[-2], hull[-1]) <= _slope(hull[-2], point):
            hull.pop()
        hull.append(point)
    return hull


def quality_at(hull: Sequence[Point], cost: float) -> float:
    """Quality that the hull reaches for this cost; the nearest end's outside of it."""
    return float(np.interp(cost, [p.cost for p in hull], [p.quality for p in hull]))


def hull_area(hull: Sequence[Point], low: float, high: float) -> float:
    """Mean quality under the hull between two costs, linear in dollars.

    With `low` the cheapest arm's cost and `high` the cost of the best arm this is the area of the
    cost-quality curves on RouterBench (arXiv 2403.12031, section 3, there called AIQ).

    >>> hull_area([Point(0, 0.0), Point(1, 1.0)], 0, 2)
    0.75
    """
    if not low < high:
        return quality_at(hull, high)
    costs = sorted({low, high, *(p.cost for p in hull if low < p.cost < high)})
    return float(np.trapezoid([quality_at(hull, c) for c in costs], costs) / (high - low))


def _slope(left: Point, right: Point) -> float:
    return (right.quality - left.quality) / (right.cost - left.cost)
