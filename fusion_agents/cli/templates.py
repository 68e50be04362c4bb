"""`fusion-agents templates`: look at thought templates, search them, take them out of use."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from fusion_agents.cli.console import check_outputs, results, say, write_text
from fusion_agents.cli.options import DEFAULT_LOG, LogDatabase

if TYPE_CHECKING:
    from fusion_agents.stores.template_indexes.base import TemplateIndex
    from fusion_agents.stores.template_reading import TemplateStats
    from fusion_agents.stores.template_rows import Status, StoredTemplate
    from fusion_agents.stores.template_store import TemplateStore

templates = typer.Typer(
    no_args_is_help=True, help="Look at thought templates, search them, take them out of use."
)

Tenant = Annotated[str | None, typer.Option("--tenant", help="Only this tenant's.")]
StatusName = Annotated[
    str, typer.Option("--status", help="active, quarantined, retired, merged, or all.")
]
Chroma = Annotated[
    str | None,
    typer.Option(
        "--chroma",
        help="Folder of an embedded Chroma, or http address of a server; without it, the search "
        "compares with every template.",
        show_default=False,
    ),
]
Ids = Annotated[list[str], typer.Argument(help="Ids of templates.")]


@templates.command()
def stats(
    log: LogDatabase = DEFAULT_LOG,
    json: Annotated[
        str | None, typer.Option("--json", help="Write it as JSON to this file, or to - .")
    ] = None,
) -> None:
    """Sum up the templates: how many of which status, tenant, task and source.

    Example:
      fusion-agents templates stats --log routing.db
    """
    check_outputs(json)
    with opened(log, read_only=True) as store:
        summed = store.stats()
    if json != "-":
        for table in _stats(summed):
            results().print(table)
    if json:
        write_text(json, summed.model_dump_json(indent=1))


@templates.command()
def show(
    ids: Annotated[
        list[str] | None, typer.Argument(help="Ids; without them, the first ones are shown.")
    ] = None,
    log: LogDatabase = DEFAULT_LOG,
    tenant: Tenant = None,
    status: StatusName = "all",
    limit: Annotated[int, typer.Option(min=1, help="Show at most so many templates.")] = 20,
    json: Annotated[
        bool, typer.Option("--json", help="One template a line as JSON, with its status.")
    ] = False,
) -> None:
    """Show templates with their status, in the order in which they were stored.

    Examples:
      fusion-agents templates show --status quarantined
      fusion-agents templates show 3f0c54d1b2a79e88c1d2e3f4a5b6c7d8 --json
    """
    from fusion_agents.errors import ConfigError

    with opened(log, read_only=True) as store:
        found = store.find(ids) if ids else store.records(tenant, _status(status))
        shown = list(islice(found, None if ids else limit))
    missing = set(ids or ()) - {one.template.id for one in shown}
    if missing:
        raise ConfigError(f"no template is called {min(missing)!r}")
    if json:
        for one in shown:
            typer.echo(one.model_dump_json(exclude_none=True))
    else:
        results().print(_templates(shown))


@templates.command()
def search(
    query: Annotated[str, typer.Argument(help="A question.")],
    log: LogDatabase = DEFAULT_LOG,
    k: Annotated[int, typer.Option("-k", min=1, help="How many templates at most.")] = 3,
    tenant: Annotated[str, typer.Option("--tenant", help="Whose templates.")] = "default",
    min_similarity: Annotated[
        float, typer.Option(min=-1, max=1, help="Smallest cosine similarity of the questions.")
    ] = 0.0,
    chroma: Chroma = None,
    json: Annotated[bool, typer.Option("--json", help="One template a line as JSON.")] = False,
) -> None:
    """Find the templates whose question is most similar to a query.

    Example:
      fusion-agents templates search "How many primes are there below 50?" -k 5
    """
    import json as json_module

    with opened(log, chroma) as store:
        hits = store.search(query, k, tenant=tenant, min_similarity=min_similarity)
    if json:
        for hit in hits:
            found = {"similarity": round(hit.similarity, 4), "template": hit.template}
            typer.echo(
                json_module.dumps(
                    found, default=lambda noun: noun.model_dump(mode="json", exclude_none=True)
                )
            )
        return
    table = Table("similarity", "question", "template", "id")
    for hit in hits:
        table.add_row(
            f"{hit.similarity:.3f}",
            Text(_line(hit.template.question)),
            Text(hit.template.text),
            Text(hit.template.id),
        )
    results().print(table)


@templates.command()
def retire(
    ids: Annotated[
        list[str] | None, typer.Argument(help="Ids of templates.", show_default=False)
    ] = None,
    log: LogDatabase = DEFAULT_LOG,
    reason: Annotated[str, typer.Option(help="Why; kept with the template.")] = "by hand",
    unhelpful: Annotated[
        bool,
        typer.Option(
            "--unhelpful",
            help="Those that made answers worse, as `report` says: the whole 95 % interval lies "
            "below zero, with at most 5 % false alarms expected, and they had a fair trial.",
        ),
    ] = False,
    tenant: Tenant = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say which it would be.")] = False,
) -> None:
    """Take templates out of use; they are kept and can be restored.

    Examples:
      fusion-agents templates retire 3f0c54d1b2a79e88c1d2e3f4a5b6c7d8 --reason "misleads"
      fusion-agents templates retire --unhelpful --dry-run
    """
    from fusion_agents.errors import ConfigError

    if bool(ids) == unhelpful:
        raise ConfigError("name templates, or give --unhelpful")
    chosen = list(ids or ())
    if unhelpful:
        from fusion_agents.cli.templates_report import reported

        chosen = list(reported(log, tenant).unhelpful)
        reason = "unhelpful" if reason == "by hand" else reason
    if dry_run:
        say(f"would retire {len(chosen):,} templates: {', '.join(chosen) or 'none'}")
        return
    with opened(log) as store:
        count = store.retire(chosen, reason) if chosen else 0
    say(f"retired {count:,} of {len(chosen):,} templates")


@templates.command()
def restore(ids: Ids, log: LogDatabase = DEFAULT_LOG) -> None:
    """Bring templates back into use, whether retired, merged or quarantined.

    Example:
      fusion-agents templates restore 3f0c54d1b2a79e88c1d2e3f4a5b6c7d8
    """
    with opened(log) as store:
        count = store.restore(ids)
    say(f"restored {count:,} of {len(ids):,} templates")


@templates.command()
def export(
    file: Annotated[Path, typer.Argument(help="Ends in .jsonl or .jsonl.gz.")],
    log: LogDatabase = DEFAULT_LOG,
    tenant: Tenant = None,
    status: StatusName = "active",
) -> None:
    """Write templates to a file, one a line as JSON.

    Example:
      fusion-agents templates export templates.jsonl --log routing.db
    """
    check_outputs(file)
    with opened(log, read_only=True) as store:
        count = store.export(file, tenant=tenant, status=_status(status))
    say(f"wrote {count:,} templates to {file}")


@templates.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="A file that `export` wrote.")],
    log: LogDatabase = DEFAULT_LOG,
    source: Annotated[
        str | None, typer.Option(help="Where they come from, in place of what they say.")
    ] = None,
    tenant: Annotated[
        str | None, typer.Option(help="Whose they shall be, in place of what they say.")
    ] = None,
) -> None:
    """Add the templates of a file; what looks suspicious is kept in quarantine.

    Example:
      fusion-agents templates import templates.jsonl --source friends --log routing.db
    """
    with opened(log, must_exist=False) as store:
        quarantined = store.count(status="quarantined")
        came = store.import_(file, source=source, tenant=tenant)
        quarantined = store.count(status="quarantined") - quarantined
    say(
        f"stored {came.stored:,} of {came.rows:,} templates ({quarantined:,} of them in "
        f"quarantine); {came.duplicates:,} were there already, {came.refused:,} were refused"
    )
    for refusal in came.refusals:
        say(f"{file}:{refusal.line}: {refusal.reason}")


@templates.command()
def rebuild(
    log: LogDatabase = DEFAULT_LOG,
    chroma: Chroma = None,
    refit: Annotated[
        bool,
        typer.Option("--refit", help="Let the encoder learn anew from the questions of today."),
    ] = False,
) -> None:
    """Fill the index again from the rows; an index that is damaged is filled again by itself.

    Examples:
      fusion-agents templates rebuild --chroma templates.chroma
      fusion-agents templates rebuild --refit
    """
    with opened(log, chroma) as store:
        count = store.rebuild(refit=refit)
    say(f"the index holds {count:,} templates")


@contextmanager
def opened(
    log: Path, chroma: str | None = None, *, read_only: bool = False, must_exist: bool = True
) -> "Iterator[TemplateStore]":
    """Open the templates of a log's database."""
    from fusion_agents.errors import ConfigError
    from fusion_agents.stores.opening import is_database, open_log
    from fusion_agents.stores.routing_log import RoutingLog
    from fusion_agents.stores.template_store import TemplateStore

    if log.exists() and not is_database(log):
        raise ConfigError(f"{str(log)!r} is no database: `fusion-agents import` makes one of it")
    new = not log.exists() and not must_exist
    with (
        RoutingLog(log) if new else open_log(log, read_only=read_only) as routing_log,
        TemplateStore(routing_log, _index(chroma)) as store,
    ):
        yield store


def _index(chroma: str | None) -> "TemplateIndex | None":
    if chroma is None:
        return None
    from fusion_agents.stores.template_indexes.chroma import ChromaIndex

    return ChromaIndex(chroma)


def _status(name: str) -> "Status | None":
    """A status by its name; none for all.

    Raises:
        ConfigError: If there is no such status.
    """
    from typing import get_args

    from fusion_agents.errors import ConfigError
    from fusion_agents.stores.template_rows import Status

    known: tuple[Status, ...] = get_args(Status)
    found = next((status for status in known if status == name), None)
    if found is None and name != "all":
        raise ConfigError(f"unknown status {name!r}: use one of {', '.join(known)}, all")
    return found


def _templates(shown: "Iterable[StoredTemplate]") -> Table:
    table = Table("id", "status", "tenant", "task", "question", "template")
    for one in shown:
        template = one.template
        status = one.status if one.reason is None else f"{one.status}: {one.reason}"
        table.add_row(
            *map(Text, (template.id, status, template.tenant, template.task or "-")),
            Text(_line(template.question)),
            Text(_line(template.text, 96)),
        )
    return table


def _stats(stats: "TemplateStats") -> Iterable[Table]:
    total = Table("", "active", "quarantined", "retired", "merged", "cost $")
    numbers = (stats.active, stats.quarantined, stats.retired, stats.merged)
    cost = "-" if stats.cost is None else f"{stats.cost:.4f}"
    total.add_row("templates", *(f"{number:,}" for number in numbers), cost)
    yield total
    for name, groups in (
        ("tenant", stats.tenants),
        ("task", stats.tasks),
        ("source", stats.sources),
    ):
        if groups:
            table = Table(name, "active")
            for group, count in groups.items():
                table.add_row(Text(group), f"{count:,}")
            yield table


def _line(text: str, width: int = 48) -> str:
    line = " ".join(text.split())
    return line if len(line) <= width else f"{line[: width - 1]}…"
