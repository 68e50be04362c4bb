"""Reading a log for a verb that learns from it."""

from collections.abc import Sequence
from pathlib import Path

from fusion_agents.cli.console import say
from fusion_agents.outcomes import Outcomes
from fusion_agents.stores.opening import ImportedLog, open_log


def read_outcomes(path: Path, exclude_tasks: Sequence[str] = ()) -> Outcomes:
    """Read a database or a log file as arrays; tasks may be left out.

    Raises:
        FusionError: If it cannot be read.
    """
    with open_log(path) as log:
        outcomes = log.outcomes()
        if isinstance(log, ImportedLog):
            for warning in log.imported.warnings:
                say(f"warning: {warning}")
            if log.imported.refused:
                say(f"warning: {log.imported.refused:,} rows of {path} were refused")
    if not exclude_tasks:
        return outcomes
    kept = [i for i, query in enumerate(outcomes.queries) if query.task not in exclude_tasks]
    return outcomes.take(kept)
