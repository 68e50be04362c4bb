"""`fusion-agents templates report`: what thought templates are worth, by the answers in a log."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from fusion_agents.cli.console import check_outputs, printable, results, say, write_text
from fusion_agents.cli.options import DEFAULT_LOG, LogDatabase
from fusion_agents.cli.templates import Tenant, opened

if TYPE_CHECKING:
    from pathlib import Path

    from fusion_agents.templates.reporting import Lift, TemplateReport

_SHOWN = 20

Without = Annotated[
    str, typer.Option(help="Strategy of the answers that are compared with: those without.")
]
MinQueries = Annotated[
    int,
    typer.Option(min=2, help="A template tried on fewer queries is not called unhelpful."),
]


def report(
    log: LogDatabase = DEFAULT_LOG,
    tenant: Tenant = None,
    without: Without = "direct",
    min_queries: MinQueries = 20,
    limit: Annotated[int, typer.Option(min=1, help="Show at most so many templates.")] = _SHOWN,
    json: Annotated[
        str | None, typer.Option("--json", help="Write it as JSON to this file, or to - .")
    ] = None,
    markdown: Annotated[
        str | None, typer.Option("--md", help="Write it as Markdown to this file, or to - .")
    ] = None,
) -> None:
    """Say what templates are worth: how much better answers are with them than without.

    Examples:
      fusion-agents templates report --log routing.db
      fusion-agents templates report --json report.json --md report.md
    """
    check_outputs(json, markdown)
    found = reported(log, tenant, without, min_queries)
    if "-" not in (json, markdown):
        for title, head, rows in _tables(found, limit):
            table = Table(*head, title=title, title_justify="left")
            for row in rows:
                table.add_row(*(Text(printable(cell)) for cell in row))
            results().print(table)
        say(_summary(found))
    if json:
        write_text(json, found.model_dump_json(indent=1))
    if markdown:
        write_text(markdown, _markdown(found, limit))


def reported(
    log: "Path",
    tenant: str | None,
    without: str = "direct",
    min_queries: int = 20,
) -> "TemplateReport":
    """The report of a log's templates."""
    from fusion_agents.stores.opening import open_log
    from fusion_agents.templates.reporting import report_templates

    with (
        opened(log, read_only=True) as store,
        open_log(log, read_only=True) as routing_log,
    ):
        return report_templates(
            routing_log, store, without=without, tenant=tenant, min_queries=min_queries
        )


_Rows = list[list[str]]


def _tables(report: "TemplateReport", limit: int) -> Iterator[tuple[str, list[str], _Rows]]:
    """Title, head and rows of each table."""
    head = ["uses", "paired", "queries", "lift", "95 % interval"]
    rows = [[one.task or "-", one.model, *_figures(one)] for one in report.cells]
    if report.overall:
        rows.append(["all", "all", *_figures(report.overall)])
    yield f"with templates against {report.without}", ["task", "model", *head], rows
    rows = [
        [one.id, one.verdict, one.status, *_figures(one), _line(one.text)]
        for one in report.templates[:limit]
    ]
    title = "templates, the worst first"
    if len(report.templates) > limit:
        title += f" ({limit} of {len(report.templates):,})"
    yield title, ["id", "verdict", "status", *head, "template"], rows


def _figures(lift: "Lift") -> list[str]:
    interval = f"{lift.low:+.3f} to {lift.high:+.3f}"
    counts = (lift.uses, lift.paired, lift.queries)
    return [*(f"{count:,}" for count in counts), f"{lift.lift:+.3f}", interval]


def _summary(report: "TemplateReport") -> str:
    counts = [
        f"{sum(one.verdict == verdict for one in report.templates):,} {words}"
        for verdict, words in (("helps", "help"), ("hurts", "hurt"), ("new", "are new"))
    ]
    return (
        f"of {len(report.templates):,} templates that were used, {', '.join(counts)}; "
        f"{report.unused:,} were never used; {report.incomparable:,} answers with templates "
        "cannot be compared, because too little is known of their models without"
    )


def _markdown(report: "TemplateReport", limit: int) -> str:
    parts = []
    for title, head, rows in _tables(report, limit):
        lines = [head, ["---"] * len(head), *rows]
        table = "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)
        parts.append(f"## {title.capitalize()}\n\n{table}\n")
    return "\n".join([*parts, f"{_summary(report).capitalize()}.\n"])


def _cell(text: str) -> str:
    """Text that stays in its cell and draws nothing."""
    return "".join(f"\\{c}" if c in "|\\`*_[]<>!" and text != "---" else c for c in printable(text))


def _line(text: str, width: int = 64) -> str:
    line = " ".join(text.split())
    return line if len(line) <= width else f"{line[: width - 1]}…"
