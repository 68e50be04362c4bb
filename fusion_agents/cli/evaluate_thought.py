"""`fusion-agents evaluate thought`: whether thought templates help a model."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from fusion_agents.cli.console import say
from fusion_agents.cli.evaluate_thought_report import check_report, print_report, write_report
from fusion_agents.cli.exit_codes import INTERRUPTED, WRONG
from fusion_agents.cli.options import (
    DEFAULT_LOG,
    DEFAULT_MODELS,
    ConcurrentCalls,
    DryRunOfCalls,
    Grace,
    LogDatabase,
    ModelsFile,
    Seed,
    names,
)
from fusion_agents.cli.stopping import stopping_on_signals, this_command

if TYPE_CHECKING:
    from fusion_agents.cli.collect_queries import CollectedQueries
    from fusion_agents.stores.routing_log import RoutingLog
    from fusion_agents.studying.questions import Division
    from fusion_agents.studying.study import StudySummary, ThoughtStudy

_CONDITIONS = "zero-shot,few-shot,thought-performance,thought-judge,thought-hybrid,random-template"


def thought(
    answerers: Annotated[
        str,
        typer.Option("--answerer", help="Who answers: models of --models, by commas."),
    ],
    log: LogDatabase = DEFAULT_LOG,
    models: ModelsFile = DEFAULT_MODELS,
    conditions: Annotated[
        str, typer.Option("--conditions", help="How each is prompted, by commas.")
    ] = _CONDITIONS,
    tasks: Annotated[
        str,
        typer.Option(
            "--tasks",
            help="Only questions of these tasks, by commas, that the log holds out.",
        ),
    ] = "",
    draw: Annotated[
        bool,
        typer.Option(
            "--draw", help="Ask test questions of --tasks that are drawn as by `collect`."
        ),
    ] = False,
    queries: Annotated[
        Path | None,
        typer.Option(
            "--queries",
            exists=True,
            dir_okay=False,
            help="Ask the questions of a file, as for `collect`, not those that the log holds out.",
            show_default=False,
        ),
    ] = None,
    per_task: Annotated[
        int | None,
        typer.Option("--per-task", min=1, help="Questions of each task.", show_default="all"),
    ] = None,
    summarizer: Annotated[
        str | None,
        typer.Option(
            "--summarizer",
            help="Writes the templates: a model of --models, or such as openai:gpt-5-mini. "
            "Without it, the log's own templates are used.",
            show_default=False,
        ),
    ] = None,
    templates_per_task: Annotated[
        int | None,
        typer.Option(
            "--templates-per-task",
            min=1,
            help="Questions of each task that templates and examples come from.",
            show_default="all",
        ),
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option(
            "--budget",
            min=0,
            help="Dollars that this study may cost in all its runs, templates and answers.",
            show_default=False,
        ),
    ] = None,
    concurrency: ConcurrentCalls = 40,
    seed: Seed = 0,
    grace: Grace = 4.0,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Write the report to a file: .json or .md.", show_default=False),
    ] = None,
    dry_run: DryRunOfCalls = False,
) -> None:
    """Ask a model the same questions in several ways, and compare its answers.

    zero-shot is the question as it is, few-shot shows right answers to similar
    questions, thought-* shows templates whose answers were chosen by
    performance, judge or both, and random-template shows as many templates
    that were drawn at random. The same command goes on where it was
    interrupted; its templates are kept in a folder beside the log.

    Asked are the questions of the log's test split or, in a log without splits,
    three in ten; neither they nor near-duplicates are learned from.

    Examples:
      fusion-agents evaluate thought --answerer small --summarizer large --per-task 100
      fusion-agents evaluate thought --answerer small --conditions zero-shot,thought-hybrid
      fusion-agents evaluate thought --answerer small --queries my.jsonl --budget 5 --out study.json
    """
    from fusion_agents.errors import ConfigError

    if not log.exists():
        raise ConfigError(f"there is no log at {str(log)!r}")
    check_report(out)
    options = {
        "answerers": names(answerers),
        "conditions": names(conditions),
        "templates_per_task": templates_per_task,
        "budget": budget,
        "concurrency": concurrency,
        "seed": seed,
    }
    asked = _Asked(queries, names(tasks), draw, per_task, seed)
    if dry_run:
        _estimate(log, models, summarizer, asked, options)
        return
    _end(_run(log, models, summarizer, asked, options, grace), log, out)


class _Asked(NamedTuple):
    """Which questions are meant."""

    path: Path | None
    tasks: tuple[str, ...]
    draw: bool
    per_task: int | None
    seed: int

    def divided(self, log: "RoutingLog") -> "Division":
        """The questions, apart from what is learned from."""
        from fusion_agents.studying.questions import divide

        tasks = () if self.draw and self.path is None else self.tasks
        return divide(log, self._given(), tasks=tasks, per_task=self.per_task, seed=self.seed)

    def _given(self) -> "CollectedQueries | None":
        """Questions from elsewhere; none if the log's own are meant."""
        from fusion_agents.cli.collect_queries import read_collected
        from fusion_agents.errors import ConfigError

        if self.draw and not self.tasks:
            raise ConfigError("--draw needs --tasks: of which tasks?")
        if self.path is None and not self.draw:
            return None
        drawn = self.tasks if self.draw else ()
        return read_collected(self.path, drawn, "test", self.per_task, self.seed)


def _run(
    log: Path,
    models: Path,
    summarizer: str | None,
    asked: _Asked,
    options: dict[str, Any],
    grace: float,
) -> "StudySummary":
    from fusion_agents.cli.collect_report import collect_progress
    from fusion_agents.cli.templates_mine_report import mining_progress
    from fusion_agents.file_lock import locked
    from fusion_agents.stores.routing_log import RoutingLog

    with locked(log), RoutingLog(log) as opened:
        shown: dict[str, Any] = {}
        study = _study(opened, models, summarizer, asked, options, shown)
        with (
            mining_progress() as shown["mining"],
            collect_progress(len(study.arms) * study.n_questions) as shown["collecting"],
        ):
            return asyncio.run(_ended(study, grace))


def _estimate(
    log: Path, models: Path, summarizer: str | None, asked: _Asked, options: dict[str, Any]
) -> None:
    from fusion_agents.cli.evaluate_thought_report import show_estimate
    from fusion_agents.stores.opening import open_log
    from fusion_agents.studying.foreseeing import foresee

    with open_log(log, read_only=True) as opened:
        study = _study(opened, models, summarizer, asked, options, {})
        show_estimate(foresee(study), study.pool)


def _study(
    log: "RoutingLog",
    models: Path,
    summarizer: str | None,
    asked: _Asked,
    options: dict[str, Any],
    shown: dict[str, Any],
) -> "ThoughtStudy":
    from fusion_agents.pool.pool import Pool
    from fusion_agents.studying.study import ThoughtStudy
    from fusion_agents.templates.summarizing import Summarizer

    pool = Pool.from_toml(models)
    return ThoughtStudy(
        pool,
        log,
        asked.divided(log),
        summarizer=None if summarizer is None else Summarizer(summarizer, pool=pool),
        on_mining=lambda progress: shown["mining"](progress),
        on_collecting=lambda progress: shown["collecting"](progress),
        **options,
    )


async def _ended(study: "ThoughtStudy", grace: float) -> "StudySummary":
    with stopping_on_signals(study, grace):
        return await study.run()


def _end(summary: "StudySummary", log: Path, out: Path | None) -> None:
    from fusion_agents.cli.collect_report import sum_up
    from fusion_agents.cli.templates_mine_report import sum_up as sum_up_mining

    for criterion, mined in summary.mined.items():
        say(f"templates by {criterion}:")
        sum_up_mining(mined, log)
    if summary.collected is not None:
        sum_up(summary.collected, log)
    if summary.report is not None:
        print_report(summary.report)
        if out is not None:
            write_report(summary.report, out)
    if not summary.complete:
        say(f"to go on:\n  {this_command()}")
        raise typer.Exit(INTERRUPTED if summary.stopped == "interrupted" else WRONG)
