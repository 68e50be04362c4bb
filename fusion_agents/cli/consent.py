"""`fusion-agents consent`: whose entries may train a student."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from fusion_agents.cli.console import printable, results, say
from fusion_agents.cli.options import DEFAULT_LOG, LogDatabase

if TYPE_CHECKING:
    from fusion_agents.stores.routing_log import RoutingLog
    from fusion_agents.stores.training import Trustee


def consent(
    log: LogDatabase = DEFAULT_LOG,
    source: Annotated[
        list[str] | None, typer.Option("--source", help="Of entries; may be repeated.")
    ] = None,
    tenant: Annotated[
        list[str] | None, typer.Option("--tenant", help="Of entries; may be repeated.")
    ] = None,
    allow: Annotated[
        bool | None,
        typer.Option("--allow/--refuse", help="Whether students may learn from them."),
    ] = None,
) -> None:
    """Show whose entries may train a student, or say it for sources and tenants.

    What was said holds for all that they gave and will give. Unless something was said, entries
    of the tenant `default` may train, and no other tenant's. Allowing a source takes a refusal
    back; it gives no consent of the tenant. What a suspended one gave trains nobody.

    A student that was trained before a refusal has learned already: train it again.

    Examples:
      fusion-agents consent --log routing.db
      fusion-agents consent --log routing.db --tenant acme --allow
      fusion-agents consent --log routing.db --source app-7 --refuse
    """
    from fusion_agents.errors import ConfigError
    from fusion_agents.stores.opening import ImportedLog, open_log

    asked: list[tuple[Trustee, str]] = [
        *(("source", name) for name in source or []),
        *(("tenant", name) for name in tenant or []),
    ]
    if not asked and allow is None:
        with open_log(log, read_only=True) as opened:
            results().print(_table(opened))
        return
    if not asked or allow is None:
        raise ConfigError("to say something, give --source or --tenant, and --allow or --refuse")
    with open_log(log) as opened:
        if isinstance(opened, ImportedLog):
            raise ConfigError(
                f"{str(log)!r} is a file of log entries, which keeps no consent: import it into a "
                "database (fusion-agents import)"
            )
        for kind, name in asked:
            opened.set_consent(kind, name, allow)
            say(f"{kind} {name!r}: {'may train students' if allow else 'refused'}")


def _table(log: "RoutingLog") -> Table:
    """Every source and tenant that gave or said something."""
    from fusion_agents.stores.consent import objection

    consents, trust, stats = log.consents(), log.trust(), log.stats()
    entries: dict[tuple[Trustee, str], int] = {
        **{("source", one.name): one.entries for one in stats.sources},
        **{("tenant", one.name): one.entries for one in stats.tenants},
    }
    table = Table("kind", "name", "said", "may train")
    table.add_column("entries", justify="right")
    for kind, name in sorted({*entries, *consents}):
        as_source = (name, "default") if kind == "source" else ("", name)
        why = objection(consents, trust, *as_source)
        said = {None: "", True: "allowed", False: "refused"}[consents.get((kind, name))]
        may = f"no: {why}" if why else "if its tenant may" if kind == "source" else "yes"
        table.add_row(kind, Text(printable(name)), said, may, f"{entries.get((kind, name), 0):,}")
    return table
