"""Routes as tables: what was chosen, and why."""

from collections.abc import Sequence
from textwrap import shorten
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from fusion_agents.cli.console import printable

if TYPE_CHECKING:
    from fusion_agents.types import ArmForecast, Route

_QUERY = 34
"""Characters of a query in a table."""


def one_route(route: "Route", n_arms: int = 8) -> Table:
    """All forecasts of one decision, best arm first."""
    table = Table(title=Text(printable(f"{route.arm}: {route.reason}")), title_justify="left")
    table.add_column("arm")
    for name in ("performance", "judge", "$/1k", "seconds", "utility"):
        table.add_column(name, justify="right")
    for forecast in route.ranking[:n_arms]:
        table.add_row(
            Text(str(forecast.arm)),
            performance(forecast),
            _number(forecast.judge, ".3f"),
            thousand(forecast.cost),
            _number(forecast.latency, ".2f"),
            _number(forecast.utility, ".3f"),
            style="bold" if forecast.arm == route.arm else None,
        )
    hidden = len(route.ranking) - n_arms
    if hidden > 0:
        table.caption = f"and {hidden} more arms"
    return table


def many_routes(texts: Sequence[str], routes: "Sequence[Route]") -> Table:
    """One line a decision, with the runner-up; the reasons stand below, numbered.

    What is expected is the performance, or the judge score where no performance is known.
    """
    reasons = list(dict.fromkeys(route.reason for route in routes))
    table = Table(title=f"{len(routes)} new queries, routed", caption_justify="left")
    why = "\n".join(f"why {i}: {reason}" for i, reason in enumerate(reasons, 1))
    table.caption = Text(printable(why), style="table.caption")
    table.add_column("query", no_wrap=True)
    table.add_column("arm", overflow="fold")
    table.add_column("expected", justify="right", no_wrap=True, min_width=11)
    table.add_column("$/1k", justify="right", no_wrap=True, min_width=6)
    table.add_column("runner-up", overflow="fold")
    table.add_column("why", justify="right")
    for text, route in zip(texts, routes, strict=True):
        first, *others = route.ranking
        runner_up = f"{others[0].arm} {_number(_score(others[0]), '.2f')}" if others else "-"
        table.add_row(
            Text(printable(shorten(" ".join(text.split()), _QUERY, placeholder="…"))),
            Text(str(route.arm), style="bold"),
            performance(first) if first.performance is not None else _number(first.judge, ".2f"),
            thousand(first.cost),
            Text(runner_up),
            str(reasons.index(route.reason) + 1),
        )
    return table


def performance(forecast: "ArmForecast") -> str:
    """Expected performance and its standard error."""
    if forecast.performance is None:
        return "-"
    spread = "" if forecast.performance_std is None else f" ± {forecast.performance_std:.2f}"
    return f"{forecast.performance:.2f}{spread}"


def thousand(cost: float | None) -> str:
    """Dollars per thousand queries."""
    return _number(None if cost is None else cost * 1000, ".4f")


def _score(forecast: "ArmForecast") -> float | None:
    return forecast.judge if forecast.performance is None else forecast.performance


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
