"""The reliability diagram."""

from fusion_agents.evaluation.chart import Axis, dot, figure, grid, line
from fusion_agents.evaluation.markup import Markup
from fusion_agents.evaluation.report import Calibration

_HEIGHT = 400.0
_LEFT, _SIDE = 64.0, 310.0


def calibration_chart(router: str, calibration: Calibration) -> Markup:
    """Draw outcomes over forecasts; dots on the diagonal mean what they say."""
    x = Axis(0, 100, _LEFT, _LEFT + _SIDE)
    y = Axis(0, 100, 34 + _SIDE, 34)
    largest = max(one.n for one in calibration.bins)
    parts = [
        grid(x, y, x_label="forecast, points", y_label="outcome, points"),
        line(x(0), y(0), x(100), y(100), "hull"),
    ]
    parts += [
        dot(
            x(one.forecast * 100),
            y(one.outcome * 100),
            3 + 9 * (one.n / largest) ** 0.5,
            "mark c0 clear",
            f"forecast {one.forecast * 100:.1f}, outcome {one.outcome * 100:.1f}, {one.n} answers",
        )
        for one in calibration.bins
    ]
    description = f"Expected calibration error {calibration.error * 100:.1f} points"
    return figure(f"Calibration of {router}", description, _HEIGHT, parts)
