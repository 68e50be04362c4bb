"""`fusion-agents judge`: a judge scores what a log holds, and is measured."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fusion_agents.cli.console import check_outputs, say
from fusion_agents.cli.exit_codes import INTERRUPTED, WRONG
from fusion_agents.cli.judge_report import (
    check_report,
    print_report,
    say_estimate,
    sum_up,
    write_report,
)
from fusion_agents.cli.options import DEFAULT_LOG, DEFAULT_MODELS, Grace, LogDatabase, ModelsFile
from fusion_agents.cli.stopping import this_command

if TYPE_CHECKING:
    from fusion_agents.cli.judge_run import Found
    from fusion_agents.pool.pool import Pool


def judge(
    judge: Annotated[
        str,
        typer.Option(
            "--judge",
            help="metric; rubric:MODEL; pairwise:MODEL; panel:rubric:A+rubric:B. A model is a "
            "name in --models, or a string such as openai:gpt-5-mini.",
            show_default=False,
        ),
    ],
    log: LogDatabase = DEFAULT_LOG,
    models: ModelsFile = DEFAULT_MODELS,
    budget: Annotated[
        float | None,
        typer.Option(
            "--budget",
            min=0,
            help="Dollars that this judge may cost on this log.",
            show_default=False,
        ),
    ] = None,
    rate: Annotated[
        float,
        typer.Option("--rate", min=0, max=1, help="Share of the answers; the same ones each time."),
    ] = 1.0,
    limit: Annotated[
        int | None,
        typer.Option("--limit", min=0, help="Answers to judge now.", show_default="all"),
    ] = None,
    concurrency: Annotated[
        int, typer.Option("--concurrency", min=1, max=1024, help="Verdicts at a time, at most.")
    ] = 8,
    allow_own_family: Annotated[
        bool, typer.Option("--allow-own-family", help="Let models judge their own family.")
    ] = False,
    canaries: Annotated[
        bool,
        typer.Option(
            "--canaries/--no-canaries",
            help="Watch the judge by answers of which it is known whether they are right.",
        ),
    ] = True,
    calibrate: Annotated[
        bool,
        typer.Option(
            "--calibrate",
            help="Measure the judge where performance is known, and keep what its scores are "
            "worth. Answers with a known performance are judged first.",
        ),
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report",
            help="Write what --calibrate found to a file: .html, .md or .json.",
            show_default=False,
        ),
    ] = None,
    source: Annotated[str, typer.Option("--source", help="Who judges, as the log says.")] = "local",
    grace: Grace = 4.0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be judged; ask nobody.")
    ] = False,
) -> None:
    """Judge the answers in a log; measure the judge.

    Answers that this judge has scored are left alone, what it failed at is tried
    again: the same command goes on where it was interrupted. The judge is
    watched by canaries, answers of which it is known whether they are right;
    when it gets one in ten wrong, the run stops and the batch is not kept.

    Examples:
      fusion-agents judge --judge rubric:openai:gpt-5-mini --rate 0.1 --budget 2
      fusion-agents judge --judge rubric:small --calibrate --report judge.html
      fusion-agents judge --judge pairwise:small --dry-run
    """
    from fusion_agents.cli.judge_run import estimated, run
    from fusion_agents.errors import ConfigError
    from fusion_agents.judges.catalogue import make_judge

    if not log.exists():
        raise ConfigError(f"there is no log at {str(log)!r}")
    check_report(report, calibrate=calibrate)
    check_outputs(report)
    pool = _pool(models)
    made = make_judge(judge, pool=pool, allow_own_family=allow_own_family)
    if dry_run:
        say_estimate(estimated(log, made, rate=rate, limit=limit), log)
        return
    found = run(
        log, made, pool,
        calibrating=calibrate, grace=grace, rate=rate, limit=limit, budget=budget,
        concurrency=concurrency, canaries=canaries, source=source,
    )  # fmt: skip
    sum_up(found.summary, log)
    if found.report is not None:
        print_report(found.report)
        if report is not None:
            write_report(found.report, report)
    _end(found, calibrate=calibrate)


def _pool(models: Path) -> "Pool | None":
    """The models' file, where there is one: a judge may also be named without it."""
    from fusion_agents.pool.pool import Pool

    if models == DEFAULT_MODELS and not models.exists():
        return None
    return Pool.from_toml(models)


def _end(found: "Found", *, calibrate: bool) -> None:
    from fusion_agents.judging.log_judge import BUDGET
    from fusion_agents.judging.log_judge import INTERRUPTED as STOPPED

    stopped = found.summary.stopped
    if stopped in (BUDGET, STOPPED):
        say(f"to go on:\n  {this_command()}")
    if stopped is not None:
        raise typer.Exit(INTERRUPTED if stopped == STOPPED else WRONG)
    if calibrate and (found.report is None or found.report.calibration is None):
        raise typer.Exit(WRONG)
