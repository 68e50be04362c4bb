"""Judging in figures: while it runs, when it has ended, and before it begins."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from fusion_agents.cli.answering import dollars
from fusion_agents.cli.console import errors, results, say, write_text

if TYPE_CHECKING:
    from fusion_agents.judging.estimate import JudgeEstimate
    from fusion_agents.judging.judge_report import JudgeReport
    from fusion_agents.judging.progress import JudgeProgress, JudgeSummary

OnProgress = Callable[["JudgeProgress"], None]

_SHOWN = 5
_WHY = {
    "budget": "the budget is used up",
    "canaries": "the judge got too many answers wrong of which it is known how good they are; "
    "what it said of the answers beside them is not kept",
    "failing": "the judge gave no verdict on most answers of which it is known how good they are; "
    "what it said of the answers beside them is not kept",
}


@contextmanager
def judge_progress(planned: int | None) -> Iterator[OnProgress]:
    """Show a bar, if standard error is a terminal: done, failed, dollars spent, time left."""
    console = errors()
    columns = (
        TextColumn("judging"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[failed]} failed", markup=False),
        TextColumn("{task.fields[spent]}", markup=False),
        TextColumn("{task.fields[canaries]} canaries right", markup=False),
        TimeRemainingColumn(),
    )
    disabled = not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=disabled) as bar:
        task = bar.add_task("", total=planned, failed=0, spent="", canaries="")

        def show(progress: "JudgeProgress") -> None:
            bar.update(
                task,
                completed=progress.done - progress.refused,
                failed=progress.failed,
                spent=dollars(progress.spent),
                canaries=f"{progress.canaries_right} of {progress.canaries}",
            )

        yield (lambda _: None) if disabled else show


def sum_up(summary: "JudgeSummary", log: Path) -> None:
    """Say what came of a run."""
    progress = summary.progress
    parts = [f"judged {progress.scored:,} answers"]
    for count, words in (
        (progress.failed, "got no score and are tried again the next time"),
        (progress.refused, "are not judged by this judge"),
        (progress.dropped, "verdicts were not kept"),
    ):
        if count:
            parts.append(f"{count:,} {words}")
    if progress.canaries:
        parts.append(f"{progress.canaries_right:,} of {progress.canaries:,} canaries right")
    parts.append(f"spent {dollars(progress.spent)}")
    if progress.spent_before:
        parts.append(f"{dollars(progress.spent + progress.spent_before)} in all")
    say(f"{'; '.join(parts)}; {summary.judge} ({summary.judge_version}); {log}")
    _say_details(summary)


def _say_details(summary: "JudgeSummary") -> None:
    progress = summary.progress
    for kind, count in progress.errors.most_common(_SHOWN):
        say(f"  {count:,} x {kind}: {progress.reasons.get(kind, '')}")
    for what in progress.reasons.keys() - progress.errors.keys():
        say(f"  {what}: {progress.reasons[what]}")
    if summary.stopped:
        say(f"stopped: {_WHY.get(summary.stopped, summary.stopped)}")
    for miss in progress.misses[:_SHOWN] if summary.stopped == "canaries" else ():
        answer = " ".join(miss.response.split())
        say(f"  {miss.kind} {answer!r} to {miss.query!r} got {miss.score:g}")


def say_estimate(found: "JudgeEstimate", log: Path) -> None:
    """Say what a run would judge."""
    refused = f"; {found.refused:,} are not judged by this judge" if found.refused else ""
    tokens = found.characters // 4
    results().print(f"{found.answers:,} answers to judge, some {tokens:,} tokens{refused}; {log}")
    if found.cost is None:
        results().print("what they cost is not known yet: judge a few with --limit 20")
    elif found.cost:
        results().print(f"estimated cost, by earlier verdicts: {dollars(found.cost)}")


def check_report(path: Path | None, *, calibrate: bool) -> None:
    """Find out before the work whether a report can be made.

    Raises:
        ConfigError: If nothing is measured, or the file's name does not say what it should be.
    """
    from fusion_agents.errors import ConfigError

    if path is None:
        return
    if not calibrate:
        raise ConfigError("--report says what --calibrate finds: give both")
    if path.suffix.lower() not in (".html", ".md", ".json"):
        raise ConfigError(f"cannot write {str(path)!r}: name it .html, .md or .json")


def print_report(report: "JudgeReport") -> None:
    """Show what a judge is worth."""
    from fusion_agents.judging.judge_text import table

    results().print(table(report))
    if report.calibration is None:
        say(f"no calibration was stored: {report.refusal}")
    else:
        say(f"stored what its scores are worth, learned from {report.n:,} answers")


def write_report(report: "JudgeReport", path: Path) -> None:
    """Write it to a file, as its name says."""
    from fusion_agents.judging.judge_html import to_html
    from fusion_agents.judging.judge_text import to_markdown

    suffix = path.suffix.lower()
    if suffix == ".html":
        text = to_html(report)
    elif suffix == ".md":
        text = to_markdown(report)
    else:
        text = report.model_dump_json(indent=1)
    write_text(str(path), text)
