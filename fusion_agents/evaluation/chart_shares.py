"""Which arms a router chooses, as stacked bars."""

from collections.abc import Mapping, Sequence

from fusion_agents.evaluation.chart import (
    N_COLOURS,
    WIDTH,
    Axis,
    colour,
    figure,
    legend,
    shorten,
    text,
)
from fusion_agents.evaluation.markup import Markup, element, join
from fusion_agents.evaluation.report import Row

_ROW, _BAR = 30.0, 18.0
_LEFT = 150.0
_OTHERS = "others"


def shares_chart(rows: Sequence[Row]) -> Markup:
    """Draw one bar a router; arms that are rarely chosen share a colour."""
    names = _frequent([row.arms for row in rows])
    x = Axis(0, 1, _LEFT, WIDTH - 20)
    height = _ROW * len(rows) + 10
    parts = [
        part
        for i, row in enumerate(rows)
        for part in (
            text(_LEFT - 12, _ROW * i + 22, shorten(row.router, 20), "name", anchor="end"),
            *_bar(row.arms, names, x, _ROW * i + 8),
        )
    ]
    coloured = [(name, colour(i)) for i, name in enumerate(names)]
    if any(set(row.arms) - set(names) for row in rows):
        coloured.append((_OTHERS, colour(N_COLOURS)))
    description = "; ".join(
        f"{row.router} chooses {len(row.arms)} arms, most often {next(iter(row.arms), 'none')}"
        for row in rows
    )
    return join(figure("Arms that are chosen", description, height, parts), legend(coloured))


def _frequent(shares: Sequence[Mapping[str, float]]) -> list[str]:
    """The arms with the largest share anywhere, as many as there are colours but one."""
    largest: dict[str, float] = {}
    for arms in shares:
        for arm, share in arms.items():
            largest[arm] = max(share, largest.get(arm, 0.0))
    ranked = sorted(largest, key=lambda arm: (-largest[arm], arm))
    return ranked[: N_COLOURS - 1]


def _bar(arms: Mapping[str, float], names: Sequence[str], x: Axis, y: float) -> list[Markup]:
    order = [name for name in names if name in arms] + [arm for arm in arms if arm not in names]
    segments, start = [], 0.0
    for arm in order:
        share = arms[arm]
        index = names.index(arm) if arm in names else N_COLOURS
        segments.append(
            element(
                "rect",
                element("title", f"{arm}: {share:.1%}"),
                x=x(start),
                y=y,
                width=max(x(start + share) - x(start) - 1, 0.5),
                height=_BAR,
                class_=f"bar {colour(index)}",
            )
        )
        start += share
    return segments
