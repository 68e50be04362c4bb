"""The performance-cost curve."""

from collections.abc import Sequence

import numpy as np

from fusion_agents.evaluation.chart import (
    WIDTH,
    Axis,
    colour,
    dot,
    figure,
    grid,
    legend,
    padded,
    path,
    shorten,
    text,
)
from fusion_agents.evaluation.hull import Point, quality_at, upper_hull
from fusion_agents.evaluation.markup import Markup, join
from fusion_agents.evaluation.report import CurvePoint, Evaluation

_HEIGHT = 420.0
_LETTER = 6.3
"""Pixels of one letter of a label."""


def curve_chart(evaluation: Evaluation) -> Markup:
    """Draw each router's curve over the weight on cost, the single arms and their hull."""
    arms = single_arms(evaluation)
    points = [
        *arms.values(),
        *(Point(p.cost * 1000, p.performance * 100) for p in evaluation.curve),
    ]
    costs = [point.cost for point in points]
    logarithmic = min(costs) > 0 and max(costs) / min(costs) > 10
    low, high = _range(costs, logarithmic)
    x = Axis(low, high, 64, WIDTH - 24, logarithmic=logarithmic)
    y = Axis(*padded([point.quality for point in points]), _HEIGHT - 56, 34)
    routers = list(dict.fromkeys(point.router for point in evaluation.curve))
    hull = upper_hull(list(arms.values()))
    parts = [
        grid(x, y, x_label="dollars per 1,000 queries", y_label=f"{_quality(evaluation)}, points"),
        path(_along(hull, x, y), "hull"),
        *(
            _router_curve([p for p in evaluation.curve if p.router == name], x, y, colour(i))
            for i, name in enumerate(routers)
        ),
        *(
            dot(x(p.cost), y(p.quality), 4.5, "arm", f"always {name}: {_say(p)}")
            for name, p in arms.items()
        ),
        *_labels(arms, x, y),
    ]
    names = [(name, colour(i)) for i, name in enumerate(routers)]
    names += [("single arms", "arm"), ("mixing single arms by chance", "hull")]
    description = f"Curves of {', '.join(routers)} beside {len(arms)} single arms"
    return join(figure("Quality and cost", description, _HEIGHT, parts), legend(names))


def single_arms(evaluation: Evaluation) -> dict[str, Point]:
    """Each arm's dollars per 1,000 queries and its quality in points, where both are known."""
    quality = "performance" if _quality(evaluation) == "performance" else "judge"
    return {
        arm.arm: Point(arm.cost * 1000, value * 100)
        for arm in evaluation.arms
        if arm.cost is not None and (value := getattr(arm, quality)) is not None
    }


def _quality(evaluation: Evaluation) -> str:
    known = any(arm.performance is not None for arm in evaluation.arms)
    return "performance" if known else "judge score"


def _range(costs: Sequence[float], logarithmic: bool) -> tuple[float, float]:
    if not logarithmic:
        low, high = padded(costs)
        return max(low, 0.0), high
    low, high = padded(np.log(costs).tolist())
    return float(np.exp(low)), float(np.exp(high))


def _along(hull: Sequence[Point], x: Axis, y: Axis) -> list[tuple[float, float]]:
    """The hull as drawn: straight in dollars, so bent on a logarithmic axis; flat to the right."""
    steps = np.geomspace if x.logarithmic else np.linspace
    costs = {*steps(hull[0].cost, x.high, 80).tolist(), *(point.cost for point in hull)}
    return [(x(cost), y(quality_at(hull, cost))) for cost in sorted(costs)]


def _router_curve(points: Sequence[CurvePoint], x: Axis, y: Axis, class_: str) -> Markup:
    ordered = sorted(points, key=lambda p: p.weight)
    at = [(x(p.cost * 1000), y(p.performance * 100)) for p in ordered]
    marks = [
        dot(
            *place,
            6 if p.weight == 0 else 3.5,
            f"mark {class_}",
            f"{p.router}, weight on cost {p.weight:g}: "
            f"{_say(Point(p.cost * 1000, p.performance * 100))}",
        )
        for p, place in zip(ordered, at, strict=True)
    ]
    return join(path(at, f"line {class_}"), *marks)


def _labels(arms: dict[str, Point], x: Axis, y: Axis) -> list[Markup]:
    """Names beside the arms' dots, where they do not cover each other."""
    taken = [(x(p.cost) - 6, y(p.quality) - 6, 12.0, 12.0) for p in arms.values()]
    labels = []
    for name, point in sorted(arms.items(), key=lambda item: -item[1].quality):
        label = shorten(name.removesuffix("@direct"))
        width = _LETTER * len(label)
        px, py = x(point.cost), y(point.quality)
        places = (
            (px + 9, py + 4),
            (px - 9 - width, py + 4),
            (px - width / 2, py - 10),
            (px - width / 2, py + 19),
        )
        for left, baseline in places:
            box = (left, baseline - 11, width, 14.0)
            inside = x.start < left and left + width < WIDTH
            if inside and not any(_overlap(box, other) for other in taken):
                taken.append(box)
                labels.append(text(left, baseline, label, "label"))
                break
    return labels


def _overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    apart = a[0] + a[2] <= b[0] or b[0] + b[2] <= a[0] or a[1] + a[3] <= b[1] or b[1] + b[3] <= a[1]
    return not apart


def _say(point: Point) -> str:
    return f"{point.quality:.1f} points at {point.cost:.3g} dollars per 1,000 queries"
