"""`fusion-agents log`: look at a log, and copy it."""

from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer
from rich.table import Table
from rich.text import Text

from fusion_agents.cli.console import check_outputs, results, say, write_text
from fusion_agents.cli.options import DEFAULT_LOG, LogDatabase, LogFile, names

if TYPE_CHECKING:
    from fusion_agents.stores.log_filter import LogFilter
    from fusion_agents.stores.log_stats import GroupStats, LogStats
    from fusion_agents.stores.routing_log import RoutingLog
    from fusion_agents.stores.training import Level, TrainingReport, Trustee
    from fusion_agents.types import LogEntry

log = typer.Typer(no_args_is_help=True, help="Look at a log, export it, back it up, trust it.")

Tasks = Annotated[str, typer.Option("--tasks", help="Only these tasks, separated by commas.")]
Arms = Annotated[
    str, typer.Option("--arms", help="Only these arms: model@strategy or model, by commas.")
]
Sources = Annotated[str, typer.Option("--sources", help="Only these sources, by commas.")]


@log.command()
def show(
    log: LogFile = DEFAULT_LOG,
    tasks: Tasks = "",
    arms: Arms = "",
    sources: Sources = "",
    errors: Annotated[bool, typer.Option("--errors", help="Only failed attempts.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="Show at most so many entries.")] = 20,
    json: Annotated[
        bool, typer.Option("--json", help="One entry a line as JSON, with every field.")
    ] = False,
) -> None:
    """Show log entries, in the order in which they were stored.

    Examples:
      fusion-agents log show --log routing.db --tasks gsm8k --arms small@think
      fusion-agents log show --log routing.db --errors --json --limit 1000
    """
    from fusion_agents.stores.opening import open_log

    with open_log(log, read_only=True) as opened:
        where = _filter(opened, tasks, arms, sources, errors=True if errors else None)
        show_them = _print_json if json else _print_table
        show_them(islice(opened.scan(where), limit))


@log.command()
def stats(
    log: LogFile = DEFAULT_LOG,
    json: Annotated[
        str | None, typer.Option("--json", help="Write it as JSON to this file, or to - .")
    ] = None,
) -> None:
    """Sum up a log: entries, errors, performance and cost by arm and task.

    Examples:
      fusion-agents log stats --log routing.db
      fusion-agents log stats --log answers.jsonl.gz --json -
    """
    from fusion_agents.stores.opening import open_log

    check_outputs(json)
    with open_log(log, read_only=True) as opened:
        summed = opened.stats()
    if json != "-":
        for table in _stats(summed):
            results().print(table)
    if json:
        write_text(json, summed.model_dump_json(indent=1))


@log.command()
def export(
    file: Annotated[Path, typer.Argument(help="Ends in .jsonl, .jsonl.gz, .parquet or .csv.")],
    log: LogFile = DEFAULT_LOG,
    format: Annotated[
        str | None, typer.Option(help="jsonl, parquet or fusionbench, whatever the file's name.")
    ] = None,
    tasks: Tasks = "",
    arms: Arms = "",
    sources: Sources = "",
) -> None:
    """Write log entries with their judgements to a file.

    JSON lines and parquet lose nothing; .csv is the format of FusionBench.

    Examples:
      fusion-agents log export all.jsonl.gz --log routing.db
      fusion-agents log export maths.parquet --tasks gsm8k,math
    """
    from fusion_agents.stores.exporting import export_log
    from fusion_agents.stores.opening import open_log

    check_outputs(file)
    with open_log(log, read_only=True) as opened:
        count = export_log(opened, file, format, where=_filter(opened, tasks, arms, sources))
    say(f"wrote {count:,} entries to {file}")


@log.command()
def backup(
    file: Annotated[Path, typer.Argument(help="A new file.")], log: LogDatabase = DEFAULT_LOG
) -> None:
    """Copy the database as it is now, while others go on writing.

    Example:
      fusion-agents log backup monday.db --log routing.db
    """
    from fusion_agents.stores.opening import open_log

    check_outputs(file)
    with open_log(log, read_only=True) as opened:
        opened.backup(file)
    say(f"wrote {file}")


@log.command()
def trust(
    log: LogDatabase = DEFAULT_LOG,
    source: Annotated[str | None, typer.Option("--source", help="Of entries or feedback.")] = None,
    tenant: Annotated[str | None, typer.Option("--tenant", help="Of entries.")] = None,
    level: Annotated[
        str | None, typer.Option("--level", help="trusted, limited or suspended.")
    ] = None,
) -> None:
    """Show how far sources and tenants count when routers learn, or set it for one.

    Of what a limited one gave no more than its share counts; of a suspended one nothing. Unless
    set, users' feedback and tenants other than `default` are limited, and all else is trusted.

    Examples:
      fusion-agents log trust --log routing.db
      fusion-agents log trust --log routing.db --tenant acme --level trusted
    """
    from fusion_agents.errors import ConfigError
    from fusion_agents.stores.opening import open_log

    if level is None and source is None and tenant is None:
        with open_log(log, read_only=True) as opened:
            results().print(_trust(opened.training_outcomes().report))
        return
    if level is None or (source is None) == (tenant is None):
        raise ConfigError("to set a level, give --level and either --source or --tenant")
    kind: Trustee = "tenant" if source is None else "source"
    with open_log(log) as opened:
        opened.set_trust(kind, source or tenant or "", cast("Level", level))
    say(f"{kind} {source or tenant!r} is {level}")


def _trust(report: "TrainingReport") -> Table:
    table = Table("kind", "name", "gave", "level")
    for name in ("scores", "left out"):
        table.add_column(name, justify="right")
    for one in report.contributions:
        row = (one.kind, one.name, one.gave, one.level, f"{one.scored:,}", f"{one.left_out:,}")
        table.add_row(*map(Text, row))
    return table


def _filter(
    log: "RoutingLog", tasks: str, arms: str, sources: str, errors: bool | None = None
) -> "LogFilter":
    """What was asked for; a name that the log does not know is an error."""
    from fusion_agents.errors import ConfigError
    from fusion_agents.stores.log_filter import LogFilter

    asked = {"tasks": names(tasks), "arms": names(arms), "sources": names(sources)}
    for kind, name in ((kind, name) for kind, given in asked.items() for name in given):
        if not log.count(LogFilter.model_validate({kind: (name,)})):
            known = ", ".join(group.name for group in getattr(log.stats(), kind))
            raise ConfigError(f"no {kind[:-1]} is called {name!r}; the log has {known or 'none'}")
    given = {kind: found or None for kind, found in asked.items()}
    return LogFilter.model_validate({**given, "errors": errors})


def _print_json(entries: "Iterable[LogEntry]") -> None:
    for entry in entries:
        typer.echo(entry.model_dump_json(exclude_none=True))


def _print_table(entries: "Iterable[LogEntry]") -> None:
    results().print(_entries(entries))


def _entries(entries: "Iterable[LogEntry]") -> Table:
    table = Table("query", "task", "arm")
    for name in ("performance", "$", "seconds"):
        table.add_column(name, justify="right")
    table.add_column("response or error")
    for entry in entries:
        said = f"({entry.error})" if entry.error else entry.response or "-"
        table.add_row(
            Text(_cut(entry.query.text)),
            Text(entry.query.task or "-"),
            Text(str(entry.arm)),
            _number(entry.performance, ".2f"),
            _number(entry.cost, ".6f"),
            _number(entry.latency, ".2f"),
            Text(_cut(said)),
        )
    return table


def _cut(text: str, width: int = 48) -> str:
    line = " ".join(text.split())
    return line if len(line) <= width else f"{line[: width - 1]}…"


def _stats(stats: "LogStats") -> list[Table]:
    total = Table("", "entries", "queries", "errors", "scored", "judged", "performance", "cost $")
    total.add_row(
        "log",
        f"{stats.entries:,}",
        f"{stats.queries:,}",
        f"{stats.errors:,}",
        f"{stats.scored:,}",
        f"{stats.judged:,}",
        _number(stats.performance, ".3f"),
        _number(stats.cost, ".4f"),
    )
    groups = {"arm": stats.arms, "task": stats.tasks, "source": stats.sources}
    return [total, *(_groups(name, of) for name, of in groups.items() if of)]


def _groups(name: str, groups: "tuple[GroupStats, ...]") -> Table:
    table = Table(name)
    for column in ("entries", "queries", "errors", "scored", "performance", "cost $"):
        table.add_column(column, justify="right")
    for group in groups:
        table.add_row(
            Text(group.name),
            f"{group.entries:,}",
            f"{group.queries:,}",
            f"{group.errors:,}",
            f"{group.scored:,}",
            _number(group.performance, ".3f"),
            _number(group.cost, ".4f"),
        )
    return table


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
