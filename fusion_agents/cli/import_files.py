"""`fusion-agents import`: log files of any known format into the log."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from fusion_agents.cli.console import progress, results, say
from fusion_agents.cli.options import DEFAULT_LOG, ExcludedTasks, LogDatabase, names

if TYPE_CHECKING:
    from fusion_agents.stores.importing import FileSummary, ImportSummary


def import_files(
    files: Annotated[
        list[Path], typer.Argument(exists=True, help="Log files, or folders of log files.")
    ],
    log: LogDatabase = DEFAULT_LOG,
    source: Annotated[
        str | None, typer.Option(help="Where the rows came from; a file's name by default.")
    ] = None,
    exclude_tasks: ExcludedTasks = "",
) -> None:
    """Import log files into the log.

    The format is recognised by the content. Importing a file twice stores
    its rows once. A bad row is refused with its number and the reason; the
    others are stored. If every row is bad the exit code is 2.

    Examples:
      fusion-agents import answers.jsonl.gz --log routing.db
      fusion-agents import results/ --source routerbench --exclude-tasks gpqa
    """
    from fusion_agents.stores.importing import import_files as run
    from fusion_agents.stores.routing_log import RoutingLog

    with RoutingLog(log) as opened, progress() as step:

        def show(summary: "FileSummary") -> None:
            step(f"importing {Path(summary.path).name}", summary.rows, None)

        summary = run(
            files,
            opened,
            source=source,
            exclude_tasks=names(exclude_tasks),
            on_progress=show,
        )
    results().print(_table(summary))
    _warn(summary)
    if summary.refused and not summary.stored + summary.duplicates:
        raise typer.Exit(2)


def _table(summary: "ImportSummary") -> Table:
    table = Table("file", "format")
    counts = ("rows", "stored", "duplicates", "excluded", "refused")
    for name in counts:
        table.add_column(name, justify="right")
    for file in summary.files:
        numbers = [f"{getattr(file, name):,}" for name in counts]
        table.add_row(Text(file.path), file.format, *numbers)
    return table


def _warn(summary: "ImportSummary") -> None:
    for warning in summary.warnings:
        say(f"warning: {warning}")
    for file in summary.files:
        for refusal in file.refusals:
            say(f"refused: {file.path}:{refusal.line}: {refusal.reason}")
        hidden = file.refused - len(file.refusals)
        if hidden:
            say(f"refused: {file.path}: and {hidden:,} more rows")
