"""`fusion-agents templates mine`: a model writes templates from the right answers in a log."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fusion_agents.cli.console import results, say
from fusion_agents.cli.exit_codes import INTERRUPTED, WRONG
from fusion_agents.cli.options import (
    DEFAULT_LOG,
    DEFAULT_MODELS,
    Grace,
    LogDatabase,
    ModelsFile,
    names,
)
from fusion_agents.cli.stopping import stopping_on_signals, this_command
from fusion_agents.cli.templates_mine_report import mining_progress, show_estimate, sum_up

if TYPE_CHECKING:
    from fusion_agents.pool.pool import Pool
    from fusion_agents.templates.miner import TemplateMiner
    from fusion_agents.templates.mining_progress import MiningSummary


def mine(
    summarizer: Annotated[
        str,
        typer.Option(
            "--summarizer",
            help="Who writes: a name in --models, or a string such as openai:gpt-5-mini.",
            show_default=False,
        ),
    ],
    log: LogDatabase = DEFAULT_LOG,
    models: ModelsFile = DEFAULT_MODELS,
    criterion: Annotated[
        str,
        typer.Option(
            "--criterion",
            help="How right answers are chosen: performance, judge, or hybrid (by performance "
            "first, then by the judge).",
        ),
    ] = "hybrid",
    per_task: Annotated[
        int | None,
        typer.Option("--per-task", min=1, help="Questions of each task.", show_default="all"),
    ] = None,
    tasks: Annotated[
        str, typer.Option("--tasks", help="Only these tasks, separated by commas.")
    ] = "",
    split: Annotated[
        str,
        typer.Option("--split", help="Of the queries to learn from; others never are."),
    ] = "train",
    tenant: Annotated[
        str, typer.Option("--tenant", help="Whose answers, and whose templates.")
    ] = "default",
    pitfalls: Annotated[
        bool, typer.Option("--pitfalls", help="Learn from wrong answers beside right ones, too.")
    ] = False,
    min_performance: Annotated[
        float,
        typer.Option(min=0, max=1, help="Performance from which on an answer is right."),
    ] = 1.0,
    min_judge: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="The same of a judge's score, where performance is not known."
        ),
    ] = 0.7,
    merge: Annotated[
        bool, typer.Option("--merge/--no-merge", help="Merge templates that say the same.")
    ] = True,
    budget: Annotated[
        float | None,
        typer.Option(
            "--budget",
            min=0,
            help="Dollars that all mining for this log may cost.",
            show_default=False,
        ),
    ] = None,
    concurrency: Annotated[
        int, typer.Option("--concurrency", min=1, max=1024, help="Templates at a time, at most.")
    ] = 8,
    grace: Grace = 4.0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be written; ask nobody.")
    ] = False,
) -> None:
    """Distil thought templates from the right answers in a log.

    Each question with right answers gets one template, checked before it is
    kept: short, general, without the answer. The same command goes on where it
    was interrupted; what is settled is not paid again. Queries of another
    split, and their near-duplicates, are never learned from.

    Examples:
      fusion-agents templates mine --summarizer openai:gpt-5-mini --per-task 100 --budget 2
      fusion-agents templates mine --summarizer small --criterion judge --pitfalls
      fusion-agents templates mine --summarizer small --dry-run
    """
    from fusion_agents.errors import ConfigError

    if not log.exists():
        raise ConfigError(f"there is no log at {str(log)!r}")
    options = {
        "criterion": criterion,
        "floors": (min_performance, min_judge),
        "per_task": per_task,
        "tasks": names(tasks),
        "split": split,
        "tenant": tenant,
        "pitfalls": pitfalls,
        "merge": merge,
        "budget": budget,
        "concurrency": concurrency,
    }
    if dry_run:
        _estimate(log, summarizer, models, options)
        return
    summary = _run(log, summarizer, models, options, grace)
    sum_up(summary, log)
    if not summary.complete:
        say(f"to go on:\n  {this_command()}")
        raise typer.Exit(INTERRUPTED if summary.stopped == "interrupted" else WRONG)


def _run(
    log: Path, summarizer: str, models: Path, options: dict[str, Any], grace: float
) -> "MiningSummary":
    from fusion_agents.file_lock import locked
    from fusion_agents.stores.routing_log import RoutingLog
    from fusion_agents.stores.template_store import TemplateStore

    lock = log.with_name(f"{log.name}.mining")
    with (
        locked(lock),
        RoutingLog(log) as opened,
        TemplateStore(opened) as store,
        mining_progress() as on_progress,
    ):
        miner = _miner(opened, store, summarizer, models, options, on_progress)
        return asyncio.run(_mined(miner, grace))


def _estimate(log: Path, summarizer: str, models: Path, options: dict[str, Any]) -> None:
    from fusion_agents.stores.opening import open_log
    from fusion_agents.stores.template_store import TemplateStore

    with open_log(log, read_only=True) as opened, TemplateStore(opened) as store:
        summary, dollars = _miner(opened, store, summarizer, models, options, None).estimate()
    for line in show_estimate(summary, dollars):
        results().print(line)


def _miner(
    log: Any, store: Any, summarizer: str, models: Path, options: dict[str, Any], on_progress: Any
) -> "TemplateMiner":
    from fusion_agents.right_answers.candidates import Floors
    from fusion_agents.stores.log_filter import LogFilter
    from fusion_agents.templates.miner import TemplateMiner
    from fusion_agents.templates.summarizing import Summarizer

    given = dict(options)
    tasks, floors = given.pop("tasks"), Floors(*given.pop("floors"))
    return TemplateMiner(
        log,
        Summarizer(summarizer, pool=_pool(models)),
        store,
        where=LogFilter(tasks=tasks) if tasks else None,
        floors=floors,
        on_progress=on_progress,
        **given,
    )


def _pool(models: Path) -> "Pool | None":
    """The models' file, where there is one: a summariser may also be named without it."""
    from fusion_agents.pool.pool import Pool

    if models == DEFAULT_MODELS and not models.exists():
        return None
    return Pool.from_toml(models)


async def _mined(miner: "TemplateMiner", grace: float) -> "MiningSummary":
    with stopping_on_signals(miner, grace):
        return await miner.run()
