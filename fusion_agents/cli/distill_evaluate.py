"""`fusion-agents distill evaluate`: whether training helped, task by task."""

import asyncio
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from fusion_agents.cli.console import check_outputs, say
from fusion_agents.cli.distill_evaluate_report import (
    print_comparison,
    say_what_next,
    show_estimate,
    write_reports,
)
from fusion_agents.cli.exit_codes import INTERRUPTED, WRONG
from fusion_agents.cli.options import (
    DEFAULT_LOG,
    DEFAULT_MODELS,
    DEFAULT_OBJECTIVE,
    ConcurrentCalls,
    DryRunOfCalls,
    Grace,
    LogDatabase,
    ModelsFile,
    ObjectiveText,
    Seed,
    names,
)
from fusion_agents.cli.stopping import stopping_on_signals, this_command

if TYPE_CHECKING:
    from fusion_agents.distill.comparing.comparison import Comparison
    from fusion_agents.distill.comparing.evaluating import StudentEvaluation
    from fusion_agents.distill.nouns import Student, TrainingData
    from fusion_agents.pool.pool import Pool
    from fusion_agents.stores.routing_log import RoutingLog
    from fusion_agents.types import Query


def distill_evaluate(
    out: Annotated[
        Path,
        typer.Argument(
            exists=True, file_okay=False, help="The student's folder, as `distill train` made it."
        ),
    ],
    log: LogDatabase = DEFAULT_LOG,
    queries: Annotated[
        Path | None,
        typer.Option(
            "--queries",
            exists=True,
            dir_okay=False,
            help="Ask the queries of a file, as for `collect`, not those that the log holds out.",
            show_default=False,
        ),
    ] = None,
    split: Annotated[
        str, typer.Option("--split", help="Of the log's queries that are asked.")
    ] = "test",
    share: Annotated[
        float,
        typer.Option(
            "--share",
            min=0.001,
            max=0.999,
            help="Of the queries of a log without that split; as `distill export` held out.",
        ),
    ] = 0.2,
    tasks: Annotated[str, typer.Option("--tasks", help="Only of these tasks, by commas.")] = "",
    n: Annotated[
        int | None,
        typer.Option("--n", min=1, help="Queries of each task, at most.", show_default="all"),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            exists=True,
            file_okay=False,
            help="What the student learned from, as `distill export` wrote it: none of these "
            "queries, nor of those like them, is asked.",
            show_default=False,
        ),
    ] = None,
    record: Annotated[
        bool,
        typer.Option("--record", help="Add answers to the log, so that routers learn from them."),
    ] = False,
    record_share: Annotated[
        float,
        typer.Option(
            "--record-share",
            min=0.001,
            max=1,
            help="Of the queries, that are recorded; the others are kept back to test a router on.",
        ),
    ] = 0.5,
    router: Annotated[
        str | None,
        typer.Option(
            "--router",
            help="With --record: let this router learn from the log, and show what it chooses for "
            "the queries that were kept back: auto, knn:k=50.",
            show_default=False,
        ),
    ] = None,
    objective: ObjectiveText = DEFAULT_OBJECTIVE,
    models: ModelsFile = DEFAULT_MODELS,
    base: Annotated[
        str | None,
        typer.Option(
            "--base",
            help="Compare with this model: a name in --models, or such as openai:gpt-4.1-mini.",
            show_default="the student's own base",
        ),
    ] = None,
    judge: Annotated[
        str | None,
        typer.Option(
            "--judge",
            help="Scores answers to queries without a ground truth: rubric:MODEL.",
            show_default=False,
        ),
    ] = None,
    max_tokens: Annotated[
        int, typer.Option("--max-tokens", min=1, help="Of an answer, of both.")
    ] = 1024,
    budget: Annotated[
        float | None,
        typer.Option(
            "--budget",
            min=0,
            help="Dollars that all runs of this comparison may cost.",
            show_default=False,
        ),
    ] = None,
    concurrency: ConcurrentCalls = 8,
    seed: Seed = 0,
    json: Annotated[
        str | None, typer.Option("--json", help="Write the report as JSON to this file, or to - .")
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write the report as one HTML file.")
    ] = None,
    grace: Grace = 4.0,
    dry_run: DryRunOfCalls = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before money is spent.")] = False,
) -> None:
    """Compare a student with its base on queries that it did not learn from.

    Both get the same messages, decoding, token limit and chat template, or the
    comparison is refused. Differences are paired, with 95 % intervals; a task
    is said to be helped or hurt only where that is no chance, over all tasks
    together. A student that is worse is a result, not an error.

    The same command goes on where it was interrupted and asks nothing twice;
    answers are in evaluation.db in the student's folder.

    Examples:
      fusion-agents distill evaluate student --data training --log routing.db
      fusion-agents distill evaluate student --data training --record --html report.html
      fusion-agents distill evaluate student --queries held-out.jsonl --tasks gsm8k --n 200
    """
    from fusion_agents.cli.collect_report import collect_progress
    from fusion_agents.errors import ConfigError
    from fusion_agents.stores.opening import is_database

    if not log.exists():
        raise ConfigError(f"there is no log at {str(log)!r}")
    if record and not is_database(log):
        raise ConfigError(f"--record needs a database: import {str(log)!r} into one first")
    if router is not None and not record:
        raise ConfigError("--router shows what a router makes of what is recorded: add --record")
    check_outputs(json, html)
    asked = _Asked(queries, split, share, names(tasks), n, seed)
    options = {
        "base": base, "max_tokens": max_tokens, "budget": budget, "concurrency": concurrency,
        "record_share": record_share, "seed": seed, "router": router, "objective": objective,
    }  # fmt: skip
    with ExitStack() as stack:
        shown: dict[str, Any] = {}
        evaluation = _evaluation(
            stack, out, log, asked, models, judge, data, record, options, shown
        )
        if not _may_begin(evaluation, dry_run=dry_run, yes=yes):
            return
        with collect_progress(2 * len(evaluation.chosen.queries)) as shown["asking"]:
            comparison = asyncio.run(_ended(evaluation, grace))
    if json != "-":
        print_comparison(comparison)
    _end(evaluation, comparison, json, html)
    say_what_next(comparison, out, log, this_command())


class _Asked(NamedTuple):
    """Which queries are meant."""

    path: Path | None
    split: str
    share: float
    tasks: tuple[str, ...]
    per_task: int | None
    seed: int

    def read(self, log: "RoutingLog") -> "list[Query]":
        """Of a file, or those that the log holds out."""
        from fusion_agents.cli.collect_queries import CollectedQueries
        from fusion_agents.distill.selecting.holding_out import askable, held_out_queries
        from fusion_agents.types import content_key

        if self.path is not None:
            given = list(CollectedQueries(self.path, ()))
            found = [query for query in given if not self.tasks or query.task in self.tasks]
        else:
            held_out = held_out_queries(
                log, split=self.split, share=self.share, tasks=self.tasks or None, seed=self.seed
            )
            found = askable(log, held_out)
        taken: dict[str | None, int] = {}
        kept = []
        for query in sorted(found, key=lambda one: content_key("asked", self.seed, one.id)):
            taken[query.task] = taken.get(query.task, 0) + 1
            if self.per_task is None or taken[query.task] <= self.per_task:
                kept.append(query)
        return kept


def _evaluation(
    stack: ExitStack,
    out: Path,
    log: Path,
    asked: _Asked,
    models: Path,
    judge: str | None,
    data: Path | None,
    record: bool,
    options: dict[str, Any],
    shown: dict[str, Any],
) -> "StudentEvaluation":
    from fusion_agents.distill.comparing.evaluating import StudentEvaluation
    from fusion_agents.judges.catalogue import make_judge
    from fusion_agents.stores.opening import open_log

    student = _student(out)
    opened = stack.enter_context(open_log(log, read_only=not record))
    pool = _pool(models)
    queries = asked.read(opened)
    return StudentEvaluation(
        student,
        opened,
        queries,
        record=opened if record else None,
        models=pool,
        data=_learned(student, data),
        out=out.resolve(),
        judge=None if judge is None else make_judge(judge, pool=pool),
        on_progress=lambda progress: shown["asking"](progress),
        **options,
    )


def _learned(student: "Student", folder: Path | None) -> "TrainingData | None":
    """What it learned from: in the folder, or where that was when it was trained here."""
    from fusion_agents.distill.comparing.leaving_out import training_data
    from fusion_agents.errors import FusionError

    if folder is not None:
        return training_data(student, folder)
    kept = student.settings.get("data_folder")
    try:
        return training_data(student, Path(str(kept))) if kept else None
    except FusionError:  # the folder is gone, or holds other data now: the report says so
        return None


def _student(out: Path) -> "Student":
    from pydantic import ValidationError

    from fusion_agents.distill.nouns import Student
    from fusion_agents.errors import ConfigError, DataError
    from fusion_agents.students.files import NOTE

    note = out / NOTE
    if not note.is_file():
        raise ConfigError(
            f"{str(out)!r} holds no student (there is no student.json): train one with "
            "fusion-agents distill train"
        )
    try:
        return Student.model_validate_json(note.read_text("utf-8"))
    except (ValidationError, UnicodeDecodeError) as error:
        raise DataError(f"{note}: not a student's note: train it again") from error


def _pool(models: Path) -> "Pool | None":
    """The models' file, where there is one: a student says itself how it is made."""
    from fusion_agents.pool.pool import Pool

    if models == DEFAULT_MODELS and not models.exists():
        return None
    return Pool.from_toml(models)


def _may_begin(evaluation: "StudentEvaluation", *, dry_run: bool, yes: bool) -> bool:
    """Show what it may cost, and ask, where it costs anything."""
    found = evaluation.estimate()
    if dry_run:
        show_estimate(found, evaluation)
        return False
    if found.calls and not evaluation.is_local and not yes:
        show_estimate(found, evaluation)
        typer.confirm("Ask them?", abort=True, err=True)
    return True


async def _ended(evaluation: "StudentEvaluation", grace: float) -> "Comparison":
    with stopping_on_signals(evaluation, grace):
        return await evaluation.run()


def _end(
    evaluation: "StudentEvaluation", comparison: "Comparison", json: str | None, html: Path | None
) -> None:
    from fusion_agents.cli.collect_report import sum_up
    from fusion_agents.distill.comparing.evaluating import EVALUATION

    if evaluation.collected is not None:
        sum_up(evaluation.collected, evaluation.out / EVALUATION)
    write_reports(comparison, json, html)
    if not comparison.complete:
        say(f"to go on:\n  {this_command()}")
        raise typer.Exit(INTERRUPTED if evaluation.stopped == "interrupted" else WRONG)
