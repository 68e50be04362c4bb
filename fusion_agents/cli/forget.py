"""`fusion-agents forget`: delete for good what a source or a tenant gave."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from fusion_agents.cli.console import progress, results, say
from fusion_agents.cli.options import DEFAULT_LOG, LogDatabase

if TYPE_CHECKING:
    from fusion_agents.stores.forgetting import Forgotten
    from fusion_agents.stores.routing_log import RoutingLog


def forget(
    log: LogDatabase = DEFAULT_LOG,
    source: Annotated[
        list[str] | None, typer.Option("--source", help="Forget what it gave; may be repeated.")
    ] = None,
    tenant: Annotated[
        list[str] | None, typer.Option("--tenant", help="Forget what is its; may be repeated.")
    ] = None,
    router: Annotated[
        list[Path] | None,
        typer.Option(
            "--router", help="A router's folder, to be learned again without it; may be repeated."
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would go.")] = False,
) -> None:
    """Delete for good what sources and tenants gave, and learn routers again without it.

    Their entries go, the judgements of these and by these sources, their paid calls, the
    calibrations of judges whose judgements went, and queries and thought templates that come from
    nobody else. Nothing of it stays in the database's files. It needs free space of the size of
    the database. Backups, exports, students with their comparisons and routers that are not
    named keep what they have; `distill lineage DATA --log LOG --prune` cleans training data.

    Of a folder with versions of a router, a new one stays and all others go.

    Examples:
      fusion-agents forget --log routing.db --source app-7 --dry-run
      fusion-agents forget --log routing.db --tenant acme --router router --yes
    """
    from fusion_agents.errors import ConfigError
    from fusion_agents.refreshing.refitting import check_router
    from fusion_agents.stores.opening import open_log

    sources, tenants, folders = source or [], tenant or [], router or []
    if not sources and not tenants:
        raise ConfigError("say what to forget: --source or --tenant")
    for folder in folders:
        check_router(folder)
    with open_log(log, read_only=True) as opened:
        total = opened.forget(sources=sources, tenants=tenants, dry_run=True)
        results().print(_counts(opened, sources, tenants, total))
        if not total.anything:
            say(f"nothing in {log} is of them: `fusion-agents log trust` shows its names")
    if dry_run:
        return
    if total.anything and not yes:
        typer.confirm(f"Delete this from {log} for good?", abort=True, err=True)
    with open_log(log) as opened:
        _forget(opened, sources, tenants)
        for folder in folders:
            _refit(opened, folder)


def _counts(log: "RoutingLog", sources: list[str], tenants: list[str], total: "Forgotten") -> Table:
    """What would go: by name, and all together, as names may share something."""
    table = Table("of")
    for name in type(total).model_fields:
        table.add_column(name, justify="right")
    rows = {f"source {one}": log.forget(sources=[one], dry_run=True) for one in sources}
    rows |= {f"tenant {one}": log.forget(tenants=[one], dry_run=True) for one in tenants}
    for name, counted in {**rows, "together": total}.items():
        table.add_row(Text(name), *(f"{n:,}" for n in counted.model_dump().values()))
    return table


def _forget(log: "RoutingLog", sources: list[str], tenants: list[str]) -> None:
    with progress() as step:
        step(f"cleaning {log.path.name}", 0, None)
        gone = log.forget(sources=sources, tenants=tenants)
    what = ", ".join(f"{n:,} {name}" for name, n in gone.model_dump().items() if n)
    say(f"deleted {what or 'nothing more'} from {log.path.name}")


def _refit(log: "RoutingLog", folder: Path) -> None:
    from fusion_agents.refreshing.refitting import refit

    with progress() as step:
        step(f"fitting the router in {folder}", 0, None)
        fitted = refit(folder, log, reason="learned again after something was forgotten")
    say(f"saved {fitted.version}, learned from {fitted.fitted.n_queries:,} queries, in {folder}")
