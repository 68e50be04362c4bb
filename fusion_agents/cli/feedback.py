"""`fusion-agents feedback`: what users said of answers, into the log."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fusion_agents.cli.console import say
from fusion_agents.cli.options import DEFAULT_LOG, LogDatabase

if TYPE_CHECKING:
    from fusion_agents.steps.feedback_file import FeedbackSummary


def feedback(
    log: LogDatabase = DEFAULT_LOG,
    run_id: Annotated[
        str | None,
        typer.Option(
            "--run-id",
            help="Id of the run that answered, or the `turn` in its metadata.",
            show_default=False,
        ),
    ] = None,
    score: Annotated[
        str | None,
        typer.Option(
            "--score",
            help="A number in [0, 1], up, down, or a rating: '4 of 5'.",
            show_default=False,
        ),
    ] = None,
    comment: Annotated[
        str | None, typer.Option("--comment", help="In words.", show_default=False)
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            "--file",
            exists=True,
            dir_okay=False,
            help="Lines of JSON: run_id, key, score, value, comment, as LangSmith has them.",
            show_default=False,
        ),
    ] = None,
    source: Annotated[
        str, typer.Option("--source", help="Who says it: trust is given and taken by it.")
    ] = "user",
) -> None:
    """Add what users said of answers to the log that they were recorded in.

    A user's newest word on an answer counts. A file may be given again: what
    was read from it before is not stored twice. Lines that name no recorded
    answer, or say nothing that can be read, are counted, shown and left out.

    Examples:
      fusion-agents feedback --log routing.db --run-id 01a20349e8b97152996504c80d7caf14 --score up
      fusion-agents feedback --log routing.db --file feedback.jsonl --source helpdesk
    """
    from fusion_agents.errors import ConfigError, StoreError
    from fusion_agents.stores.routing_log import RoutingLog

    if (run_id is None) == (file is None):
        raise ConfigError("give either --run-id with a --score, or --file")
    if file is not None and (score or comment):
        raise ConfigError("--score and --comment go with --run-id; a file has its own")
    if not log.exists():
        raise StoreError(
            f"there is no log {str(log)!r}: name the one that answers were recorded in"
        )
    with RoutingLog(log) as opened:
        if file is not None:
            _of_file(opened, file, source)
        else:
            _of_run(opened, {"run_id": run_id, "score": score, "comment": comment}, source)


def _of_run(log: Any, said: dict[str, Any], source: str) -> None:
    from fusion_agents.steps.feedback import feedback_from, give_feedback

    kept = give_feedback(log, feedback_from(said), source=source)
    value = "no score" if kept.score is None else f"score {kept.score:g}"
    say(f"kept {value} for entry {kept.entry_key} of {log.path}")


def _of_file(log: Any, file: Path, source: str) -> None:
    from fusion_agents.steps.feedback_file import feed_file

    found: FeedbackSummary = feed_file(log, file, source=source)
    parts = [f"read {found.lines:,} lines of {file}", f"stored {found.stored:,}"]
    if found.known:
        parts.append(f"{found.known:,} were there before")
    if found.refusals:
        parts.append(f"{len(found.refusals):,} refused")
    say("; ".join(parts))
    for refusal in found.refusals[:5]:
        say(f"  {refusal}")
