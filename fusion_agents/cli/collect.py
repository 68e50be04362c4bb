"""`fusion-agents collect`: many models answer many queries, and a log is made of it."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fusion_agents.cli.collect_report import collect_progress, dry_run_table, sum_up
from fusion_agents.cli.console import results, say
from fusion_agents.cli.exit_codes import INTERRUPTED, WRONG
from fusion_agents.cli.options import (
    DEFAULT_LOG,
    DEFAULT_MODELS,
    ConcurrentCalls,
    DryRunOfCalls,
    Grace,
    ModelsFile,
    Seed,
    names,
)
from fusion_agents.cli.stopping import stopping_on_signals, this_command

if TYPE_CHECKING:
    from fusion_agents.answering.policy import AnswerPolicy
    from fusion_agents.cli.collect_queries import CollectedQueries
    from fusion_agents.collecting.collector import Collector
    from fusion_agents.collecting.progress import CollectSummary
    from fusion_agents.pool.pool import Pool
    from fusion_agents.stores.routing_log import RoutingLog
    from fusion_agents.types import Arm


def collect(
    models: ModelsFile = DEFAULT_MODELS,
    tasks: Annotated[
        str, typer.Option("--tasks", help="Benchmark tasks, by commas: gsm8k,math.")
    ] = "",
    split: Annotated[str, typer.Option("--split", help="Of the tasks: train or test.")] = "train",
    per_task: Annotated[
        int | None,
        typer.Option("--per-task", min=1, help="Queries of each task.", show_default="all"),
    ] = None,
    seed: Seed = 0,
    queries: Annotated[
        Path | None,
        typer.Option(
            "--queries",
            exists=True,
            dir_okay=False,
            help="Your own queries: JSON lines, CSV or parquet with `query`, and where known "
            "`ground_truth`, `metric`, `task`.",
            show_default=False,
        ),
    ] = None,
    strategies: Annotated[
        str,
        typer.Option(
            "--strategies",
            help="How each model is prompted, by commas; as the models' file says without it.",
        ),
    ] = "",
    log: Annotated[
        Path, typer.Option("--log", help="The log's database; made if it is missing.")
    ] = DEFAULT_LOG,
    budget: Annotated[
        float | None,
        typer.Option(
            "--budget",
            min=0,
            help="Dollars that all collecting on this log may cost.",
            show_default=False,
        ),
    ] = None,
    concurrency: ConcurrentCalls = 40,
    samples: Annotated[
        int, typer.Option("--samples", min=1, help="How often each arm is asked each query.")
    ] = 1,
    deadline: Annotated[
        float,
        typer.Option("--deadline", min=0.001, help="Seconds for a call with all its attempts."),
    ] = 300.0,
    max_attempts: Annotated[
        int, typer.Option("--max-attempts", min=1, help="Requests for one call, at most.")
    ] = 8,
    keep_errors: Annotated[
        bool, typer.Option("--keep-errors", help="Do not try again what failed before.")
    ] = False,
    grace: Grace = 4.0,
    dry_run: DryRunOfCalls = False,
    score: Annotated[
        bool, typer.Option("--score/--no-score", help="Score answers that have a metric.")
    ] = True,
    score_only: Annotated[
        bool, typer.Option("--score-only", help="Ask nobody; score what lacks a score.")
    ] = False,
) -> None:
    """Ask every model every query in every way; log answer, price and score.

    The same command goes on where it was interrupted, whatever interrupted it:
    what is answered is not paid again, what failed is tried again. Calls are
    noted before they are made, so at most those under way are repeated.

    Examples:
      fusion-agents collect --tasks gsm8k,math --per-task 500 --strategies direct,think
      fusion-agents collect --queries my.jsonl.gz --log routing.db --budget 20
      fusion-agents collect --queries my.jsonl.gz --strategies direct,thought
      fusion-agents collect --queries my.jsonl --dry-run
      fusion-agents collect --score-only --log routing.db
    """
    from fusion_agents.cli.collect_queries import read_collected
    from fusion_agents.collecting.run import chosen_arms
    from fusion_agents.pool.pool import Pool

    if score_only:
        _score(log)
        return
    policy = _policy(deadline, max_attempts)
    pool = _with_templates(Pool.from_toml(models), names(strategies), log)
    arms = chosen_arms(pool, names(strategies) or None)
    asked = read_collected(queries, names(tasks), split, per_task, seed)
    if dry_run:
        _show_estimate(pool, arms, asked, log, samples, keep_errors)
        return
    _run(
        pool, arms, asked, log,
        concurrency=concurrency, budget=budget, policy=policy, samples=samples,
        retry_errors=not keep_errors, score=score, grace=grace,
    )  # fmt: skip


def _with_templates(pool: "Pool", strategies: tuple[str, ...], log: Path) -> "Pool":
    """The pool with the strategy `thought` if it is wanted and there is a log with templates.

    What was answered so is not asked again because templates come or go.
    """
    from fusion_agents.steps.lookups import THOUGHT, template_source
    from fusion_agents.strategies.thought import ThoughtStrategy

    wanted = THOUGHT in strategies or (not strategies and THOUGHT in pool.missing_strategies)
    if not wanted or not log.exists():
        return pool
    strategy = ThoughtStrategy(source=template_source(log), version="templates of the log")
    return pool.with_strategies({THOUGHT: strategy})


def _policy(deadline: float, max_attempts: int) -> "AnswerPolicy":
    from fusion_agents.collecting.collector import POLICY

    timeout = min(deadline, max(POLICY.attempt_timeout or 0.0, deadline / 3))
    return POLICY.model_copy(
        update={
            "deadline": deadline,
            "attempt_timeout": timeout,
            "max_attempts": max_attempts,
            "attempts_per_arm": max_attempts,
        }
    )


def _run(
    pool: "Pool",
    arms: "tuple[Arm, ...]",
    asked: "CollectedQueries",
    log: Path,
    *,
    grace: float,
    samples: int,
    **options: object,
) -> None:
    from fusion_agents.collecting.collector import Collector
    from fusion_agents.errors import StoreError
    from fusion_agents.file_lock import locked
    from fusion_agents.stores.routing_log import RoutingLog

    planned = asked.n_queries * len(arms) * samples
    with locked(log), RoutingLog(log) as opened, collect_progress(planned) as on_progress:
        collector = Collector(
            pool, arms, asked, opened,
            samples=samples, planned=planned, on_progress=on_progress, **options,  # type: ignore[arg-type]
        )  # fmt: skip
        try:
            summary = asyncio.run(_collected(collector, grace))
        except StoreError:
            _say_how_to_go_on()
            raise
    _end(summary, log)


async def _collected(collector: "Collector", grace: float) -> "CollectSummary":
    with stopping_on_signals(collector, grace):
        return await collector.run()


def _end(summary: "CollectSummary", log: Path) -> None:
    from fusion_agents.collecting import collector

    sum_up(summary, log)
    if summary.complete:
        return
    _say_how_to_go_on()
    raise typer.Exit(INTERRUPTED if summary.stopped == collector.INTERRUPTED else WRONG)


def _say_how_to_go_on() -> None:
    say(f"to go on:\n  {this_command()}")


def _score(log: Path) -> None:
    from fusion_agents.collecting.scoring import score_log
    from fusion_agents.errors import ConfigError
    from fusion_agents.file_lock import locked
    from fusion_agents.stores.routing_log import RoutingLog

    if not log.exists():
        raise ConfigError(f"there is no log at {str(log)!r}")
    with locked(log), RoutingLog(log) as opened:
        counts = asyncio.run(score_log(opened))
    say(f"scored {counts.scored:,} answers; {counts.unscored:,} cannot be scored; {log}")
    for what, reason in list(counts.reasons.items())[:5]:
        say(f"  {what}: {reason}")


def _show_estimate(
    pool: "Pool",
    arms: "tuple[Arm, ...]",
    asked: "CollectedQueries",
    log: Path,
    samples: int,
    keep_errors: bool,
) -> None:
    import tempfile

    from fusion_agents.collecting.estimate import estimate

    with tempfile.TemporaryDirectory() as folder:
        path = log if log.exists() else Path(folder) / "empty.db"
        with _to_read(path) as opened:
            found = estimate(
                pool, arms, asked, opened, samples=samples, retry_errors=not keep_errors
            )
    results().print(dry_run_table(found, pool))


def _to_read(path: Path) -> "RoutingLog":
    """A log that is left as it is, unless its schema is older than what is read here."""
    from fusion_agents.errors import StoreError
    from fusion_agents.stores.opening import is_database, open_log
    from fusion_agents.stores.routing_log import RoutingLog

    if not path.exists() or not is_database(path):
        return RoutingLog(path)
    try:
        return open_log(path, read_only=True)
    except StoreError:
        return RoutingLog(path)
