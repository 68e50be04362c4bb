"""Differences with their intervals around zero."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fusion_agents.evaluation.chart import WIDTH, Axis, dot, figure, line, shorten, text, tick
from fusion_agents.evaluation.markup import Markup, element, join

_ROW = 26.0
_LEFT, _RIGHT = 190.0, 170.0


class Gain(NamedTuple):
    """A difference in points and its interval."""

    name: str
    delta: float
    low: float
    high: float

    @property
    def finding(self) -> str:
        """`above` or `below` zero with the whole interval, else `level`."""
        return "above" if self.low > 0 else "below" if self.high < 0 else "level"


def intervals_chart(title: str, gains: Sequence[Gain]) -> Markup:
    """Draw one line for each; what lies far outside of the others is an arrow at the edge."""
    limit = _limit(gains)
    x = Axis(-limit, limit, _LEFT, WIDTH - _RIGHT)
    height = _ROW * len(gains) + 52
    bottom = height - 34
    parts = [line(x(value), 8, x(value), bottom, "grid") for value in x.ticks(8)]
    parts += [text(x(v), bottom + 18, tick(v), "tick", anchor="middle") for v in x.ticks(8)]
    parts.append(line(x(0), 4, x(0), bottom, "zero"))
    parts += [_row(gain, x, 8 + _ROW * (i + 0.5)) for i, gain in enumerate(gains)]
    findings = [gain.finding for gain in gains]
    description = ", ".join(
        f"{findings.count(finding)} {finding}" for finding in ("above", "level", "below")
    )
    return figure(title, f"{description} zero", height, parts)


def _row(gain: Gain, x: Axis, y: float) -> Markup:
    said = f"{_signed(gain.delta)} [{_signed(gain.low)}, {_signed(gain.high)}]"
    tooltip = f"{gain.name}: {said}"
    name = element(
        "text",
        element("title", gain.name),
        shorten(gain.name, 25),
        x=_LEFT - 12,
        y=y + 4,
        class_="name",
        text_anchor="end",
    )
    numbers = text(WIDTH - _RIGHT + 14, y + 4, said, f"numbers {gain.finding}")
    if not x.low <= gain.delta <= x.high:
        edge, way = (x.end, 1) if gain.delta > 0 else (x.start, -1)
        arrow = f"M{edge - 9 * way} {y - 5}L{edge} {y}L{edge - 9 * way} {y + 5}"
        return join(name, element("path", d=arrow, class_=f"arrow {gain.finding}"), numbers)
    ends = [x(min(max(value, x.low), x.high)) for value in (gain.low, gain.high)]
    whisker = line(ends[0], y, ends[1], y, f"whisker {gain.finding}")
    return join(name, whisker, dot(x(gain.delta), y, 5, f"gain {gain.finding}", tooltip), numbers)


def _limit(gains: Sequence[Gain]) -> float:
    """How far the axis reaches, so that the narrow intervals can still be read."""
    width = float(np.quantile([gain.high - gain.low for gain in gains], 0.25)) if gains else 0.0
    near = [max(abs(gain.low), abs(gain.high)) for gain in gains if abs(gain.delta) <= 4 * width]
    return max([*near, 0.5]) * 1.1


def _signed(value: float) -> str:
    return f"{value:+.1f}".replace("-", "\N{MINUS SIGN}")
