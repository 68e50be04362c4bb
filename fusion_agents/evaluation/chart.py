"""What all charts are made of: scales, axes and a frame that screen readers can name."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fusion_agents.evaluation.markup import Markup, element, join

WIDTH = 760.0
N_COLOURS = 8
"""Colours that the style sheet has."""


@dataclass(frozen=True)
class Axis:
    """Maps values to pixels."""

    low: float
    high: float
    start: float
    """Pixel of `low`."""
    end: float
    """Pixel of `high`."""
    logarithmic: bool = False

    def __call__(self, value: float) -> float:
        """Pixel of a value."""
        low, high, at = self.low, self.high, value
        if self.logarithmic:
            low, high, at = math.log(low), math.log(high), math.log(max(value, self.low / 10))
        share = (at - low) / (high - low) if high > low else 0.5
        return self.start + share * (self.end - self.start)

    def ticks(self, n: int = 6) -> list[float]:
        """Round values between both ends."""
        if self.logarithmic:
            return _log_ticks(self.low, self.high)
        step = _round_step((self.high - self.low) / n)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [round(i * step, 10) for i in range(first, last + 1)]


def padded(values: Sequence[float], share: float = 0.06) -> tuple[float, float]:
    """Smallest and largest value with some room around them."""
    low, high = min(values), max(values)
    room = (high - low) * share or abs(high) * share or 1.0
    return low - room, high + room


def figure(title: str, description: str, height: float, parts: Iterable[str]) -> Markup:
    """Frame a chart: it scales with the page and has a name and a description."""
    body = join(element("title", title), element("desc", description), *parts)
    return element(
        "svg",
        body,
        viewBox=f"0 0 {WIDTH:g} {height:g}",
        role="img",
        aria_label=f"{title}. {description}",
        class_="chart",
    )


def grid(x: Axis, y: Axis, *, x_label: str, y_label: str) -> Markup:
    """Grid lines with their values, and the names of both axes."""
    parts = []
    for value in x.ticks():
        parts.append(line(x(value), y.start, x(value), y.end, "grid"))
        parts.append(text(x(value), y.start + 18, tick(value), "tick", anchor="middle"))
    for value in y.ticks():
        parts.append(line(x.start, y(value), x.end, y(value), "grid"))
        parts.append(text(x.start - 8, y(value) + 4, tick(value), "tick", anchor="end"))
    parts.append(text((x.start + x.end) / 2, y.start + 40, x_label, "axis", anchor="middle"))
    parts.append(text(x.start, y.end - 12, y_label, "axis", anchor="start"))
    return join(*parts)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    """A straight line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def text(x: float, y: float, content: str, class_: str, anchor: str = "start") -> Markup:
    """A line of text."""
    return element("text", content, x=x, y=y, class_=class_, text_anchor=anchor)


def dot(x: float, y: float, radius: float, class_: str, tooltip: str) -> Markup:
    """A point that says what it is when pointed at."""
    return element("circle", element("title", tooltip), cx=x, cy=y, r=radius, class_=class_)


def path(points: Sequence[tuple[float, float]], class_: str) -> Markup:
    """A polyline."""
    return element(
        "polyline", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in points), class_=class_
    )


def legend(names: Sequence[tuple[str, str]]) -> Markup:
    """Names with the class that colours their mark."""
    items = [
        element("li", element("span", class_=f"swatch {class_}"), name) for name, class_ in names
    ]
    return element("ul", *items, class_="legend")


def colour(index: int) -> str:
    """Class of the n-th colour; from the eighth on all are grey."""
    return f"c{min(index, N_COLOURS - 1)}"


def shorten(name: str, length: int = 28) -> str:
    """Cut a long name; its tooltip has all of it."""
    return name if len(name) <= length else name[: length - 1] + "…"


def tick(value: float) -> str:
    """A number without needless digits."""
    return f"{value:g}".replace("-", "\N{MINUS SIGN}")


def _round_step(step: float) -> float:
    if step <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(step))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= step)


def _log_ticks(low: float, high: float) -> list[float]:
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    factors = (1, 2, 5) if high / low < 3000 else (1,)
    values = [float(f"{factor}e{exponent}") for exponent in exponents for factor in factors]
    return [value for value in values if low <= value <= high]
