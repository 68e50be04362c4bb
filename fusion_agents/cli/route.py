"""`fusion-agents route`: which arm should answer."""

from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from itertools import islice
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fusion_agents.cli.console import check_outputs, output, progress, results, say
from fusion_agents.cli.evidence import one_route
from fusion_agents.cli.options import DEFAULT_OBJECTIVE, ObjectiveText, RouterFolder
from fusion_agents.cli.queries import numbered_queries

if TYPE_CHECKING:
    from fusion_agents.errors import RouteError, RowError
    from fusion_agents.routers.base import Router
    from fusion_agents.types import Query, Route

_BATCH = 256


def route(
    router: RouterFolder,
    query: Annotated[str | None, typer.Argument(help="The query.", show_default=False)] = None,
    input: Annotated[
        Path | None,
        typer.Option(
            "--input", exists=True, dir_okay=False, help="Route the queries of this file."
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", help="Where to; standard output by default."),
    ] = None,
    objective: ObjectiveText = DEFAULT_OBJECTIVE,
    json: Annotated[bool, typer.Option("--json", help="Give the route as JSON.")] = False,
) -> None:
    """Choose the arm that should answer a query, with the evidence.

    With --input, each row of the file (JSON lines, CSV, parquet, or text with
    one query a line) gives one line of JSON, in the same order: the `line` of
    the file, counted from 1 (a row where a row is no line), the `query_id`, and
    the `route`, or the `error` if the row cannot be read or routed.

    Examples:
      fusion-agents route --router router "How many primes are below 100?"
      fusion-agents route --router router --objective balance --json "2 + 2?"
      fusion-agents route --router router --input queries.jsonl --output routes.jsonl
    """
    from fusion_agents.errors import ConfigError

    if (query is None) == (input is None):
        raise ConfigError("give either one query or --input with a file of queries")
    if query is not None and output is not None:
        raise ConfigError("--output goes with --input; use --json for one query")
    if input is not None:
        _route_file(router, input, output, objective)
    elif query is not None:
        _route_one(router, query, objective, json)


def _route_one(folder: Path, query: str, objective: str, json: bool) -> None:
    from fusion_agents.routers.artefact import load_router

    (found,) = load_router(folder).route([query], objective)
    if json:
        typer.echo(found.model_dump_json())
    else:
        results().print(one_route(found))


def _route_file(folder: Path, source: Path, target: Path | None, objective: str) -> None:
    from fusion_agents.errors import ConfigError
    from fusion_agents.routers.artefact import load_router

    check_outputs(target)
    if target is not None and target.exists() and target.samefile(source):
        raise ConfigError(f"{str(target)!r} is the input: give another file as --output")
    router = load_router(folder)
    router.decide([], objective)
    lines = _lines(router, numbered_queries(source), objective)
    counts: Counter[str] = Counter()
    stdout = typer.get_binary_stream("stdout")
    with progress() as step, nullcontext(stdout) if target is None else output(target) as file:
        for kind, line in lines:
            counts[kind] += 1
            file.write(line.encode() + b"\n")
            step(f"routing {source.name}", counts.total(), None)
    failed = f"; {counts['error']:,} rows could not be routed" if counts["error"] else ""
    say(f"routed {counts['route']:,} queries{failed}")


def _lines(
    router: "Router", rows: "Iterator[tuple[int, Query | RowError]]", objective: str
) -> Iterator[tuple[str, str]]:
    """A kind (`route` or `error`) and a line of JSON for each row, in order."""
    while batch := list(islice(rows, _BATCH)):
        yield from _batch_lines(router, batch, objective)


def _batch_lines(
    router: "Router", batch: "list[tuple[int, Query | RowError]]", objective: str
) -> Iterator[tuple[str, str]]:
    from fusion_agents.errors import FusionError
    from fusion_agents.types import Query

    queries = [row for _, row in batch if isinstance(row, Query)]
    routes = iter(_routes(router, queries, objective))
    for number, row in batch:
        outcome = next(routes) if isinstance(row, Query) else row
        about = {"query_id": row.id} if isinstance(row, Query) else {}
        if isinstance(outcome, FusionError):
            yield "error", dumps({"line": number, **about, "error": str(outcome)})
        else:
            start = dumps({"line": number, **about}).removesuffix("}")
            yield "route", f'{start}, "route": {outcome.model_dump_json()}}}'


def _routes(router: "Router", queries: "list[Query]", objective: str) -> "list[Route | RouteError]":
    """Route what can be routed; halving finds the queries for which no arm may be chosen."""
    from fusion_agents.errors import RouteError

    try:
        return list(router.route(queries, objective))
    except RouteError as error:
        if len(queries) == 1:
            return [error]
    middle = len(queries) // 2
    return [
        *_routes(router, queries[:middle], objective),
        *_routes(router, queries[middle:], objective),
    ]
