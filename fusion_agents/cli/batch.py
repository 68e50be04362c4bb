"""`fusion-agents batch`: a file of queries, answered."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fusion_agents.cli.answering import Asked, dollars, open_chain
from fusion_agents.cli.batch_progress import BatchProgress, batch_progress
from fusion_agents.cli.console import say
from fusion_agents.cli.exit_codes import INTERRUPTED
from fusion_agents.cli.options import (
    DEFAULT_DEADLINE,
    DEFAULT_MODELS,
    DEFAULT_OBJECTIVE,
    AnswerDeadline,
    AnsweringArm,
    AnsweringModel,
    AnsweringRouter,
    Explain,
    ExploreRate,
    Grace,
    InlineJudge,
    ModelsFile,
    ObjectiveText,
    RecordingLog,
)
from fusion_agents.cli.queries import numbered_queries
from fusion_agents.cli.stopping import stopping_on_signals, this_command

if TYPE_CHECKING:
    from fusion_agents.chain import FusionRouterChain
    from fusion_agents.cli.answer_file import Earlier
    from fusion_agents.cli.batch_run import BatchRun
    from fusion_agents.errors import RowError
    from fusion_agents.steps.turn import Choices
    from fusion_agents.types import Query


def batch(
    input: Annotated[
        Path, typer.Option("--input", exists=True, dir_okay=False, help="The queries.")
    ],
    output: Annotated[
        Path, typer.Option("--output", help="Where the answers go, as lines of JSON.")
    ],
    models: ModelsFile = DEFAULT_MODELS,
    router: AnsweringRouter = None,
    objective: ObjectiveText = DEFAULT_OBJECTIVE,
    arm: AnsweringArm = None,
    model: AnsweringModel = None,
    deadline: AnswerDeadline = DEFAULT_DEADLINE,
    log: RecordingLog = None,
    judge: InlineJudge = None,
    explore: ExploreRate = None,
    concurrency: Annotated[
        int, typer.Option("--concurrency", min=1, max=1024, help="Queries asked at a time.")
    ] = 16,
    keep_errors: Annotated[
        bool, typer.Option("--keep-errors", help="Do not try again what failed before.")
    ] = False,
    grace: Grace = 10.0,
    explain: Explain = False,
) -> None:
    """Answer each query of a file with the arm that should answer it.

    Each row of the file (JSON lines, CSV, parquet, or text with one query a
    line) gives one line of JSON as soon as it is answered, so not in the order
    of the input: the `line` of the input, the `query_id`, the `answer`, its
    `arm`, `cost`, `usage` and the evidence (`fusion`); or the `error` with all
    `attempts`. Rows that failed are counted, and the exit code is 0.

    The same command goes on where it was interrupted, even by a power cut:
    what is answered is not asked again, what failed is.

    Examples:
      fusion-agents batch --input queries.jsonl --output answers.jsonl --router router
      fusion-agents batch --input q.csv --output a.jsonl --models models.toml --log routing.db
    """
    from fusion_agents.cli.answer_file import appending, check_answer_file, read_earlier
    from fusion_agents.cli.batch_run import BatchRun
    from fusion_agents.errors import ConfigError
    from fusion_agents.file_lock import locked

    check_answer_file(output)
    if output.exists() and output.samefile(input):
        raise ConfigError(f"{str(output)!r} is the input: give another file as --output")
    asked = Asked(models, router, objective, deadline, arm, model, log, judge, explore)
    choices = asked.choices()
    with locked(output), open_chain(asked) as chain:
        _check(chain, choices)
        earlier = read_earlier(output, keep_errors=keep_errors)
        total = _count(input, output, earlier)
        with appending(output) as writer, batch_progress(input.name, total, earlier) as progress:

            def write(row: dict[str, Any]) -> None:
                writer.write(row)
                progress.count(row)

            run = BatchRun(
                chain=chain, choices=choices, concurrency=concurrency, explain=explain, write=write
            )
            asyncio.run(_run(run, _left(input, earlier), grace))
    _sum_up(progress, earlier, output)
    if run.stopping and progress.done < total:
        say(f"interrupted: {total - progress.done:,} queries are left. To go on:")
        say(f"  {this_command()}")
        raise typer.Exit(INTERRUPTED)


def _check(chain: "FusionRouterChain", choices: "Choices") -> None:
    """Find out before anything is paid whether the objective and the keys will do.

    Raises:
        FusionError: If not.
    """
    from fusion_agents.errors import RouteError

    turn = chain.steps.turn("?", choices)
    if not chain.steps.classifier.calls_models:
        with suppress(RouteError):  # a cap that leaves no arm for this query may do for others
            chain.steps.classify([turn])
    for name in dict.fromkeys(arm.model for arm in turn.arms):
        chain.pool.chat_model(name)


def _count(source: Path, target: Path, earlier: "Earlier") -> int:
    """Count the queries, and see whether those that are answered are still among them.

    Raises:
        ConfigError: If they are not: then the output belongs to another input.
    """
    from fusion_agents.errors import ConfigError

    total = found = 0
    for line, query in numbered_queries(source):
        total += 1
        if line in earlier.done:
            found += earlier.done[line] == getattr(query, "id", None)
    if found < len(earlier.done):
        raise ConfigError(
            f"{target} holds answers to {len(earlier.done) - found:,} queries that {source} does "
            "not have at these lines: give another output, or the input as it was"
        )
    return total


def _left(source: Path, earlier: "Earlier") -> "Iterator[tuple[int, Query | RowError]]":
    for line, query in numbered_queries(source):
        if line not in earlier.done:
            yield line, query


async def _run(
    run: "BatchRun", queries: "Iterator[tuple[int, Query | RowError]]", grace: float
) -> None:
    with stopping_on_signals(run, grace):
        await run.run(queries)


def _sum_up(progress: "BatchProgress", earlier: "Earlier", target: Path) -> None:
    before = len(earlier.done) - earlier.failed
    parts = [f"answered {progress.answered:,} queries"]
    if progress.failed:
        parts.append(f"{progress.failed:,} failed")
    if before:
        parts.append(f"{before:,} were answered before")
    if earlier.failed:
        parts.append(f"{earlier.failed:,} failed before and are kept")
    if progress.cost is not None:
        parts.append(f"spent {dollars(progress.cost)}")
    if earlier.cost and progress.cost:
        parts.append(f"{dollars(earlier.cost + progress.cost)} in all")
    say(f"{'; '.join(parts)}; wrote {target}")
    for kind, count in progress.kinds.most_common(5):
        say(f"  {count:,} x {kind}")
