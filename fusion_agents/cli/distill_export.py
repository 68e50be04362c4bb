"""`fusion-agents distill export`: the best answers in a log, as files that trainers read."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from fusion_agents.cli.console import check_folder, check_outputs, say, write_text
from fusion_agents.cli.distill_export_report import (
    as_json,
    print_selection,
    say_what_next,
    say_what_was_written,
)
from fusion_agents.cli.options import DEFAULT_LOG, LogDatabase, Seed, names

if TYPE_CHECKING:
    from fusion_agents.distill.nouns import TrainingData
    from fusion_agents.distill.selecting.options import SelectionOptions
    from fusion_agents.stores.routing_log import RoutingLog
    from fusion_agents.types import Query


def distill_export(
    out: Annotated[
        Path,
        typer.Option(
            "--out", help="The folder to write; one that was written earlier is replaced."
        ),
    ] = Path("training-data"),
    log: LogDatabase = DEFAULT_LOG,
    criterion: Annotated[
        Literal["performance", "judge", "hybrid", "label"],
        typer.Option(
            "--criterion",
            help="Which right answers are the best: by performance, by the judge, by both; or the "
            "ground truth alone.",
        ),
    ] = "hybrid",
    k: Annotated[int, typer.Option("--k", min=1, help="Answers to one question, at most.")] = 5,
    formats: Annotated[
        str,
        typer.Option(
            "--format",
            help="By commas: openai-chat, sharegpt, alpaca, trl; of pairs: dpo, openai-preference.",
        ),
    ] = "trl",
    split: Annotated[
        str, typer.Option("--split", help="Of the queries to learn from; others never are.")
    ] = "train",
    test_split: Annotated[
        str, typer.Option("--test-split", help="Of the queries that a student is tested with.")
    ] = "test",
    share: Annotated[
        float,
        typer.Option(
            "--share",
            min=0,
            max=0.999,
            help="Of a log's queries that are held out where it has no such split; `distill "
            "evaluate` asks these. 0 holds out none.",
        ),
    ] = 0.2,
    held_out: Annotated[
        Path | None,
        typer.Option(
            "--held-out",
            exists=True,
            dir_okay=False,
            help="A file of queries that are never learned from, nor those like them.",
            show_default=False,
        ),
    ] = None,
    tasks: Annotated[
        str, typer.Option("--tasks", help="Only these tasks, separated by commas.")
    ] = "",
    tenant: Annotated[
        str,
        typer.Option(
            "--tenant", help="Only these tenants', by commas; without it, all that consented."
        ),
    ] = "",
    exclude_models: Annotated[
        str, typer.Option("--exclude-models", help="Learn from none of these, by commas.")
    ] = "",
    min_performance: Annotated[
        float, typer.Option(min=0, max=1, help="Performance from which on an answer is right.")
    ] = 1.0,
    min_judge: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="The same of a judge's score, where performance is not known."
        ),
    ] = 0.7,
    balance: Annotated[
        Literal["none", "even", "sqrt", "temperature"],
        typer.Option(
            "--balance", help="How many examples of each task: as found, as many, or in between."
        ),
    ] = "none",
    temperature: Annotated[
        float,
        typer.Option("--temperature", min=1, help="Of that balance: 1 as found, large for even."),
    ] = 2.0,
    per_task: Annotated[
        int | None,
        typer.Option(
            "--per-task", min=1, help="Examples of each task, at most.", show_default="all"
        ),
    ] = None,
    max_tokens: Annotated[
        int,
        typer.Option("--max-tokens", min=0, help="Of question and answer, estimated; 0 for any."),
    ] = 2048,
    max_characters: Annotated[
        int | None,
        typer.Option("--max-characters", min=1, help="Of an answer.", show_default="any"),
    ] = None,
    pairs: Annotated[
        int,
        typer.Option("--pairs", min=0, help="Right and wrong answers of each question, at most."),
    ] = 1,
    strategy: Annotated[
        str,
        typer.Option(
            "--strategy", help="How the student is asked, in training as later: direct, think."
        ),
    ] = "direct",
    base: Annotated[
        str | None,
        typer.Option(
            "--base",
            help="The model to train, for files that name it: a folder, a name on the hub, or "
            "OpenAI's.",
            show_default=False,
        ),
    ] = None,
    seed: Seed = 0,
    json: Annotated[
        str | None, typer.Option("--json", help="Write the report as JSON to this file, or to - .")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Select and report; write no data.")
    ] = False,
) -> None:
    """Select the best right answers in a log, and write them for trainers.

    Only answers that are known to be right are taken, of those who consented.
    Queries to test with, and those like them, are never learned from. What is
    left out is counted by reason.

    Examples:
      fusion-agents distill export --log routing.db --out data
      fusion-agents distill export --criterion judge --k 5 --format openai-chat,alpaca --out data
      fusion-agents distill export --held-out exam.jsonl --balance sqrt --dry-run
    """
    from fusion_agents.distill.data.dataset import prepared, write_dataset
    from fusion_agents.errors import ConfigError

    if not log.exists():
        raise ConfigError(f"there is no log at {str(log)!r}")
    check_outputs(json)
    check_folder(out)
    options = _options(
        criterion=criterion, k=k, split=split, tasks=names(tasks) or None,
        tenants=names(tenant) or None, exclude_models=names(exclude_models),
        min_performance=min_performance, min_judge=min_judge, balance=balance,
        temperature=temperature, per_task=per_task, max_tokens=max_tokens or None,
        max_characters=max_characters, pairs=pairs, seed=seed,
    )  # fmt: skip
    how: dict[str, Any] = {"formats": names(formats), "strategy": strategy, "base": base}
    _check_names(**how)
    data = _selected(log, options, held_out, (test_split, share))
    if not data.examples or dry_run:
        _report(data.report, json)
    if dry_run:
        prepared(data, **how)
        say(f"wrote nothing: --dry-run; without it, to {out}")
        return
    manifest = write_dataset(data, out, **how)
    _report(manifest.report, json, manifest)
    say_what_was_written(manifest, out)
    say_what_next(manifest, out, log)


def _report(report: Any, json: str | None, manifest: Any = None) -> None:
    if json != "-":
        print_selection(report)
    if json:
        write_text(json, as_json(report, manifest))


def _options(**given: Any) -> "SelectionOptions":
    from pydantic import ValidationError

    from fusion_agents.distill.selecting.options import SelectionOptions
    from fusion_agents.errors import ConfigError

    try:
        return SelectionOptions(**given)
    except ValidationError as error:
        first = error.errors()[0]
        option = "".join(f"--{str(part).replace('_', '-')}: " for part in first["loc"][:1])
        raise ConfigError(f"{option}{first['msg']}") from error


def _check_names(formats: tuple[str, ...], strategy: str, base: str | None) -> None:
    """Before the log is read, which may take a while."""
    from fusion_agents.distill.data.prompting import check_strategy
    from fusion_agents.distill.formats.catalogue import make_formats

    make_formats(formats)
    check_strategy(strategy)


def _selected(
    log: Path, options: "SelectionOptions", held_out: Path | None, testing: tuple[str, float]
) -> "TrainingData":
    from fusion_agents.distill.selecting.selection import select_training_data
    from fusion_agents.stores.opening import open_log

    with open_log(log, read_only=True) as opened:
        kept = [*_of_file(held_out), *_of_log(opened, *testing, options.seed)]
        return select_training_data(opened, options, held_out=kept)


def _of_log(log: "RoutingLog", split: str, share: float, seed: int) -> "list[Query]":
    """What `distill evaluate` asks of this log."""
    from fusion_agents.distill.selecting.holding_out import held_out_queries

    return held_out_queries(log, split=split, share=share, seed=seed) if share else []


def _of_file(path: Path | None) -> "list[Query]":
    """All queries of a file.

    Raises:
        RowError: If one cannot be read: a query that is lost here would be learned from.
    """
    from fusion_agents.errors import RowError
    from fusion_agents.stores.formats.queries import read_queries

    found = []
    for query in read_queries(path) if path else ():
        if isinstance(query, RowError):
            raise query
        found.append(query)
    return found
