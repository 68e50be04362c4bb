"""The curve of a training as one SVG file: loss over steps, readable in light and dark."""

from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from fusion_agents.distill.training.progress import ProgressRow
from fusion_agents.evaluation.chart import WIDTH, Axis, dot, grid, line, padded, path, shorten, text
from fusion_agents.evaluation.markup import Markup, element, join
from fusion_agents.stores.formats.writing import replacing

_HEIGHT = 400.0
_SMOOTHED = 20
"""Rows from which on the mean over some of them is drawn, too."""


def write_curve(rows: Sequence[ProgressRow], out: Path, title: str) -> None:
    """Draw the losses of a training into a file, which appears at once and complete.

    Nothing is written as long as there is no loss.
    """
    train = [(row.step, row.loss) for row in rows if row.loss is not None]
    held = [(row.step, row.eval_loss) for row in rows if row.eval_loss is not None]
    if not train:
        return
    picture = '<?xml version="1.0" encoding="UTF-8"?>\n' + _picture(train, held, title)
    with replacing(out) as file:
        file.write(picture.encode())


def _picture(train: list[tuple[int, float]], held: list[tuple[int, float]], title: str) -> Markup:
    steps = [step for step, _ in (*train, *held)]
    x = Axis(0, max(steps), 64, WIDTH - 24)
    low, high = padded([loss for _, loss in (*train, *held)])
    y = Axis(max(low, 0.0), high, _HEIGHT - 56, 74)
    style = resources.files("fusion_agents.distill.training").joinpath("curve.css")
    mean = _smooth(train)
    description = f"Loss after {max(steps)} steps: {_losses(train, held)}"
    return element(
        "svg",
        element("title", title),
        element("desc", description),
        element("style", Markup(style.read_text("utf-8"))),
        element("rect", width=WIDTH, height=_HEIGHT, class_="paper"),
        text(24, 26, shorten(title, 80), "title"),
        grid(x, y, x_label="steps", y_label="loss per token of an answer"),
        path([(x(s), y(v)) for s, v in train], "line c0 faint" if mean else "line c0"),
        *([path([(x(s), y(v)) for s, v in mean], "line c0")] if mean else []),
        *_held(held, x, y),
        _legend(bool(held)),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {WIDTH:g} {_HEIGHT:g}",
        width=WIDTH,
        height=_HEIGHT,
        role="img",
        aria_label=f"{title}. {description}",
        class_="chart",
    )


def _held(held: list[tuple[int, float]], x: Axis, y: Axis) -> list[Markup]:
    marks = [dot(x(s), y(v), 4, "mark c1", f"step {s}: {v:.3f}") for s, v in held]
    return [path([(x(s), y(v)) for s, v in held], "line c1"), *marks] if held else []


def _legend(held: bool) -> Markup:
    names = ["learned from", *(["kept for the curve"] if held else [])]
    places = [WIDTH - 24 - 150.0 * (len(names) - i) for i in range(len(names))]
    return join(
        *(
            join(line(left, 46, left + 20, 46, f"line c{i}"), text(left + 27, 50, name, "name"))
            for i, (left, name) in enumerate(zip(places, names, strict=True))
        )
    )


def _smooth(points: list[tuple[int, float]]) -> list[tuple[int, float]]:
    """The mean over a tenth of the points before each, where there are many."""
    if len(points) < _SMOOTHED:
        return []
    width = max(len(points) // 10, 2)
    losses = [loss for _, loss in points]
    windows = (losses[max(0, i + 1 - width) : i + 1] for i in range(len(losses)))
    return [
        (step, sum(window) / len(window)) for (step, _), window in zip(points, windows, strict=True)
    ]


def _losses(train: list[tuple[int, float]], held: list[tuple[int, float]]) -> str:
    said = f"{train[-1][1]:.3f} of what is learned from"
    return f"{said}, {held[-1][1]:.3f} of what is kept for the curve" if held else said
