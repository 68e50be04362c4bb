"""The report as a table for the terminal."""

from rich.table import Table
from rich.text import Text

from fusion_agents.evaluation.report import Difference, Evaluation, Row


def table(evaluation: Evaluation) -> Table:
    """Lay out one line a router, with the verdict below.

    Performance, judge score and differences are in points (hundredths), cost is in dollars per
    1,000 queries; a dash means not known.
    """
    with_cost = any(row.cost is not None for row in evaluation.rows)
    with_judge = any(row.judge is not None for row in evaluation.rows)
    with_utility = any(row.utility != row.performance for row in evaluation.rows)
    estimated = is_estimated(evaluation)
    with_log = any(row.vs_logged.delta is not None for row in evaluation.rows)
    shown_columns = (with_cost, with_judge, with_utility, estimated, with_log)
    laid_out = Table(
        title=Text(f"{evaluation.n_test} held-out queries, objective {evaluation.objective}"),
        caption=Text("\n".join([evaluation.verdict.text, *_remarks(evaluation)])),
        caption_justify="left",
    )
    laid_out.add_column("router", overflow="fold")
    for name, shown in _columns(*shown_columns):
        if shown:
            laid_out.add_column(name, justify="right", no_wrap=True)
    for row in evaluation.rows:
        cells = _cells(row, *shown_columns)
        laid_out.add_row(Text(row.router), *cells, style="dim" if row.router == "oracle" else None)
    return laid_out


def _remarks(evaluation: Evaluation) -> list[str]:
    missing = [f"({row.router}: {row.note})" for row in evaluation.rows if row.note]
    return [*(f"({note})" for note in evaluation.notes), *missing]


def is_estimated(evaluation: Evaluation) -> bool:
    """Whether some figure was not simply read from the log."""
    return any(row.methods.get("utility", "replay") != "replay" for row in evaluation.rows)


def _columns(
    with_cost: bool, with_judge: bool, with_utility: bool, estimated: bool, with_log: bool
) -> list[tuple[str, bool]]:
    return [
        ("performance", True),
        ("judge", with_judge),
        ("$/1k", with_cost),
        ("utility", with_utility),
        ("vs best [95 %]", True),
        ("vs logged [95 %]", with_log),
        ("method", estimated),
        ("ESS", estimated),
        ("oracle gap", True),
        ("fit s", True),
        ("route ms", True),
    ]


def _cells(
    row: Row,
    with_cost: bool,
    with_judge: bool,
    with_utility: bool,
    estimated: bool,
    with_log: bool,
) -> list[str]:
    cells = [
        (points(row.performance), True),
        (points(row.judge), with_judge),
        (number(None if row.cost is None else row.cost * 1000, 3), with_cost),
        (points(row.utility), with_utility),
        (with_interval(row.vs_best), True),
        (with_interval(row.vs_logged), with_log),
        (row.methods.get("utility", "-"), estimated),
        (number(row.ess, 0), estimated),
        ("-" if row.oracle_gap is None else f"{row.oracle_gap:.0%}", True),
        (number(row.fit_seconds, 1), True),
        (number(row.route_ms, 2), True),
    ]
    return [text for text, shown in cells if shown]


def points(value: float | None, *, signed: bool = False) -> str:
    """A fraction in points; `-` if it is not known."""
    if value is None:
        return "-"
    return f"{value * 100:+.2f}" if signed else f"{value * 100:.2f}"


def number(value: float | None, digits: int) -> str:
    """A number; `-` if it is not known."""
    return "-" if value is None else f"{value:.{digits}f}"


def with_interval(difference: Difference) -> str:
    """A difference in points with its interval."""
    if difference.delta is None:
        return "-"
    low, high = points(difference.low, signed=True), points(difference.high, signed=True)
    return f"{points(difference.delta, signed=True)} [{low}, {high}]"
