"""`fusion-agents distill lineage`: what training data are made of, and whose they are."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from fusion_agents.cli.console import printable, results, say
from fusion_agents.cli.options import names

if TYPE_CHECKING:
    from fusion_agents.distill.data.dataset import Dataset
    from fusion_agents.distill.data.lineage import Lineage
    from fusion_agents.distill.nouns import TrainingData

_COUNTS = ("by_source", "by_tenant", "by_teacher", "by_task")


def distill_lineage(
    data: Annotated[
        Path,
        typer.Argument(
            exists=True, file_okay=False, help="The folder that `distill export` wrote."
        ),
    ],
    source: Annotated[
        str, typer.Option("--source", help="Is anything of these sources in it? By commas.")
    ] = "",
    tenant: Annotated[str, typer.Option("--tenant", help="The same of tenants.")] = "",
    entry: Annotated[str, typer.Option("--entry", help="The same of log entries, by key.")] = "",
    log: Annotated[
        Path | None,
        typer.Option(
            "--log",
            exists=True,
            dir_okay=False,
            help="The log that it was selected from: count what was withdrawn since.",
            show_default=False,
        ),
    ] = None,
    prune: Annotated[
        bool,
        typer.Option(
            "--prune", help="With --log: write the folder anew without what was withdrawn."
        ),
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="One example or pair a line as JSON, with its lineage.")
    ] = False,
) -> None:
    """Say what training data are made of; find, and take out, what is somebody's.

    A student's folder names the data that it learned from by their fingerprint.
    Data are written without what was withdrawn; a student that was trained on
    it before has to be trained again.

    Examples:
      fusion-agents distill lineage data
      fusion-agents distill lineage data --source ann --json
      fusion-agents distill lineage data --log routing.db --prune
    """
    from fusion_agents.distill.data.dataset import read_dataset
    from fusion_agents.distill.data.lineage import lineage_of, made_of
    from fusion_agents.errors import ConfigError

    if prune and log is None:
        raise ConfigError("--prune needs the log that the data were selected from: give --log")
    dataset = read_dataset(data)
    found = dataset.data
    asked = {"sources": names(source), "tenants": names(tenant), "entry_keys": names(entry)}
    if any(asked.values()):
        found = made_of(found, **asked)
    if json:
        _print_lines(found)
    else:
        _print_counts(lineage_of(found), dataset)
    if log is not None:
        _withdrawn(data, dataset, log, prune=prune)


def _print_lines(data: "TrainingData") -> None:
    for one in (*data.examples, *data.pairs):
        typer.echo(one.model_dump_json())


def _print_counts(lineage: "Lineage", dataset: "Dataset") -> None:
    rows = [
        (name.removeprefix("by_"), what, count)
        for name in _COUNTS
        for what, count in getattr(lineage, name).items()
    ]
    if rows:
        table = Table("by", "name", "examples and pairs")
        table.columns[2].justify = "right"
        for by, what, count in rows:
            table.add_row(by, Text(printable(what or "(none)")), f"{count:,}")
        results().print(table)
    results().print(
        f"{lineage.n_examples:,} of {dataset.manifest.n_examples:,} examples and "
        f"{lineage.n_pairs:,} of {dataset.manifest.n_pairs:,} pairs, from {lineage.n_entries:,} "
        f"log entries; data {dataset.manifest.fingerprint[:16]}"
    )


def _withdrawn(folder: Path, dataset: "Dataset", log: Path, *, prune: bool) -> None:
    from fusion_agents.distill.data.dataset import prune_dataset, without_withdrawn
    from fusion_agents.stores.opening import open_log

    with open_log(log, read_only=True) as opened:
        left, n_withdrawn = without_withdrawn(dataset, opened)
        if left is dataset:
            say("nothing was withdrawn since")
            return
        n_pairs = len(dataset.data.pairs) - len(left.data.pairs)
        say(f"withdrawn since: {n_withdrawn:,} examples and {n_pairs:,} pairs")
        if not prune:
            say("to take them out, add --prune; then train again")
            return
        manifest, _ = prune_dataset(folder, opened)
    say(f"wrote {manifest.n_examples:,} examples and {manifest.n_pairs:,} pairs to {folder}")
    say(f"students of the data {dataset.manifest.fingerprint[:16]} learned from them: train again")
