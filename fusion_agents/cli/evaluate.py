"""`fusion-agents evaluate`: what routing would have earned on held-out queries."""

from pathlib import Path
from typing import Annotated

import typer

from fusion_agents.cli.console import check_outputs, progress, results, write_text
from fusion_agents.cli.evaluate_thought import thought
from fusion_agents.cli.options import (
    DEFAULT_LOG,
    DEFAULT_OBJECTIVE,
    EncoderName,
    ExcludedArms,
    ExcludedTasks,
    LogFile,
    ObjectiveText,
    Seed,
    names,
    specs,
)


def evaluate(
    ctx: typer.Context,
    log: LogFile = DEFAULT_LOG,
    test_log: Annotated[
        Path | None, typer.Option(help="Test on this log instead of a part of the first.")
    ] = None,
    test_fraction: Annotated[float, typer.Option(help="Share of the queries held out.")] = 0.3,
    seed: Seed = 0,
    routers: Annotated[
        str, typer.Option(help="Routers by commas, with options: auto,knn:k=50,cheapest.")
    ] = "",
    exclude_arms: ExcludedArms = "",
    exclude_tasks: ExcludedTasks = "",
    objective: ObjectiveText = DEFAULT_OBJECTIVE,
    encoder: EncoderName = "lexical",
    json: Annotated[
        str | None, typer.Option("--json", help="Write the report as JSON to this file, or to - .")
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write the report as one HTML file.")
    ] = None,
) -> None:
    """Say what routing would have earned on held-out queries.

    `evaluate thought` asks a model whether thought templates help it.

    Queries are split, never rows, and near-duplicates stay together.
    Differences are against the best single arm of the training part, with
    95 % intervals.

    Examples:
      fusion-agents evaluate --log routing.db
      fusion-agents evaluate --log train.jsonl --test-log test.jsonl
      fusion-agents evaluate --routers auto,knn:k=50 --exclude-arms gpt-4
      fusion-agents evaluate --objective balance --html report.html --json -
    """
    if ctx.invoked_subcommand is not None:
        return
    from fusion_agents.cli.reading import read_outcomes, without_tasks
    from fusion_agents.encoders.catalogue import make_encoder
    from fusion_agents.evaluation import evaluate as run
    from fusion_agents.evaluation.html import to_html
    from fusion_agents.evaluation.run import DEFAULT_ROUTERS
    from fusion_agents.evaluation.terminal import table

    check_outputs(json, html)
    with progress() as step:
        logs = [read_outcomes(path) for path in (log, test_log) if path is not None]
        learn, *test = without_tasks(logs, names(exclude_tasks))
        evaluation = run(
            learn,
            specs(routers) or DEFAULT_ROUTERS,
            objective,
            encoder=make_encoder(encoder),
            test_fraction=test_fraction,
            seed=seed,
            test_log=test[0] if test else None,
            exclude_arms=names(exclude_arms),
            on_progress=step,
        )
    if json != "-":
        results().print(table(evaluation))
    if json:
        write_text(json, evaluation.model_dump_json(indent=1))
    if html:
        write_text(str(html), to_html(evaluation))


evaluating = typer.Typer()
evaluating.callback(invoke_without_command=True)(evaluate)
evaluating.command("thought")(thought)
