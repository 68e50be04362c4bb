"""`fusion-agents refresh`: learn again, and take the new router if it is not worse."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from fusion_agents.cli.console import progress, results, say
from fusion_agents.cli.options import (
    DEFAULT_LOG,
    DEFAULT_OBJECTIVE,
    EncoderName,
    LogDatabase,
    ObjectiveText,
    Seed,
)

if TYPE_CHECKING:
    from fusion_agents.refreshing.drift import DriftReport
    from fusion_agents.refreshing.refresh import RefreshReport
    from fusion_agents.refreshing.versions import History

VersionsFolder = Annotated[
    Path, typer.Option("--router-dir", help="The folder of the router's versions.")
]


def refresh(
    router_dir: VersionsFolder,
    log: LogDatabase = DEFAULT_LOG,
    router: Annotated[str, typer.Option(help="The router: auto, knn:k=50, ...")] = "auto",
    objective: ObjectiveText = DEFAULT_OBJECTIVE,
    encoder: EncoderName = "lexical",
    check: Annotated[
        bool, typer.Option("--check", help="Compare and report what changed; keep nothing.")
    ] = False,
    release: Annotated[
        bool,
        typer.Option("--release", help="Let routers be promoted again after a rollback."),
    ] = False,
    keep: Annotated[int, typer.Option("--keep", min=2, help="Versions to keep.")] = 10,
    seed: Seed = 0,
) -> None:
    """Learn again from the log, and let the new router take over if it is not worse.

    The first refresh makes the folder; `--router FOLDER` of other verbs follows
    it to the current version. Old and new router are compared on what neither
    had seen; scores of users and other limited sources do not vote. A rejected
    router is kept, too, and can be chosen with `rollback --to`.

    Examples:
      fusion-agents refresh --log routing.db --router-dir router
      fusion-agents refresh --log routing.db --router-dir router --check
    """
    from fusion_agents.encoders.catalogue import make_encoder
    from fusion_agents.errors import ConfigError
    from fusion_agents.refreshing.refresh import refresh as refresh_router
    from fusion_agents.refreshing.versions import Versions
    from fusion_agents.stores.opening import open_log

    if check and release:
        raise ConfigError("--check changes nothing and --release does: give one of them")
    versions = Versions(router_dir, keep=keep)
    if release:
        versions.release()
    with progress() as step, open_log(log, read_only=True) as opened:
        step(f"learning from {log}", 0, None)
        report = refresh_router(
            opened,
            versions,
            router,
            objective=objective,
            encoder=None if encoder == "lexical" else make_encoder(encoder),
            seed=seed,
            dry_run=check,
        )
    for sentence in report.training.sentences():
        say(sentence)
    _say_verdict(report, check)
    if report.drift is not None:
        _print_drift(report.drift)
    if not check:
        print_history(versions.history)


def rollback(
    router_dir: VersionsFolder,
    to: Annotated[
        str | None,
        typer.Option("--to", help="Number of a version.", show_default="the one before"),
    ] = None,
) -> None:
    """Make an earlier version of the router the current one again.

    Nothing is removed. Refreshing goes on, but promotes nothing until
    `refresh --release`: else it would learn the same again.

    Example:
      fusion-agents rollback --router-dir router
    """
    from fusion_agents.refreshing.versions import Versions

    versions = Versions(router_dir)
    name = None if to is None else to.zfill(6)
    version = versions.rollback(name)
    say(f"version {version.name} is current again: {version.router}")
    print_history(versions.history)


def print_history(history: "History") -> None:
    """Print every version that is kept, the newest last."""
    table = Table("", "version", "fitted", "queries", "verdict", "why")
    for version in history.versions:
        table.add_row(
            ">" if version.name == history.current else "",
            version.name,
            f"{version.time:%Y-%m-%d %H:%M}",
            f"{version.n_queries:,}",
            version.verdict,
            Text(version.reason),
        )
    results().print(table)
    if history.held:
        say("nothing is promoted since a rollback; refresh --release ends that")


def _say_verdict(report: "RefreshReport", check: bool) -> None:
    if report.verdict is None:
        say(report.reason)
    elif check:
        say(f"would be {report.verdict}: {report.reason}")
    else:
        say(f"{report.verdict}: {report.reason}")
    if report.comparison is not None and report.comparison.recent is not None:
        say(f"on queries that the current version never learned from: {report.comparison.recent}")


def _print_drift(drift: "DriftReport") -> None:
    if not drift.n_checks:
        say("drift: not enough entries since the current version to tell")
    elif not drift.alarms:
        say(f"drift: none found in {drift.n_checks} checks on {drift.n_recent:,} recent queries")
    for alarm in drift.alarms:
        say(f"drift: {alarm} (p = {alarm.p:.2g})")
