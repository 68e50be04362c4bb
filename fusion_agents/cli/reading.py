"""Reading a log for a verb that learns from it."""

from collections.abc import Sequence
from pathlib import Path

from fusion_agents.cli.console import say
from fusion_agents.errors import ConfigError, EmptyLogError
from fusion_agents.outcomes import Outcomes
from fusion_agents.stores.opening import ImportedLog, open_log
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.stores.training import TrainingPolicy

_AS_LOGGED = TrainingPolicy(calibrated=False, max_source_share=1.0, max_tenant_share=1.0)


def read_outcomes(path: Path) -> Outcomes:
    """Read a database, which is not changed, or a log file as arrays.

    They hold what was logged and measured, but for what is suspended.

    Raises:
        FusionError: If it cannot be read.
    """
    return _read(path, _AS_LOGGED)


def read_training(path: Path) -> Outcomes:
    """Read of a database, which is not changed, or of a log file what a router may learn from.

    Raises:
        FusionError: If it cannot be read.
    """
    return _read(path, TrainingPolicy())


def _read(path: Path, policy: TrainingPolicy) -> Outcomes:
    with open_log(path, read_only=True) as log:
        outcomes, report = log.training_outcomes(policy)
        _warn(log, path)
    for sentence in report.sentences():
        say(sentence)
    return outcomes


def _warn(log: RoutingLog, path: Path) -> None:
    if isinstance(log, ImportedLog):
        for warning in log.imported.warnings:
            say(f"warning: {warning}")
        if log.imported.refused:
            say(f"warning: {log.imported.refused:,} rows of {path} were refused")


def without_tasks(logs: Sequence[Outcomes], names: Sequence[str]) -> list[Outcomes]:
    """Leave tasks out of logs.

    Raises:
        ConfigError: If a name is no task of any of the logs.
        EmptyLogError: If nothing is left of one.
    """
    known = {query.task for log in logs for query in log.queries if query.task}
    for name in names:
        if name not in known:
            have = ", ".join(sorted(known)) or "none"
            raise ConfigError(f"no task is called {name!r}; the log has {have}")
    kept = [
        log.take([i for i, query in enumerate(log.queries) if query.task not in names])
        for log in logs
    ]
    if any(
        before.n_queries and not after.n_queries for before, after in zip(logs, kept, strict=True)
    ):
        raise EmptyLogError("no query is left: all tasks of the log are excluded")
    return kept


def without_arms(log: Outcomes, names: Sequence[str]) -> Outcomes:
    """Leave arms out of a log.

    Raises:
        ConfigError: If a name is no arm of the log.
        EmptyLogError: If no arm is left.
    """
    left = log.without_arms(names)
    if log.n_arms and not left.n_arms:
        raise EmptyLogError("no arm is left: all arms of the log are excluded")
    return left
