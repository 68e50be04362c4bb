"""Mining in figures: while it runs, when it has ended, and before it begins."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from fusion_agents.cli.answering import dollars
from fusion_agents.cli.console import errors, say

if TYPE_CHECKING:
    from collections import Counter

    from fusion_agents.templates.mining_progress import MiningProgress, MiningSummary

OnProgress = Callable[["MiningProgress"], None]

_SHOWN = 5
_WHY = {
    "budget": "the budget is used up",
    "failing": "the summariser gave no answer many times in a row",
}


@contextmanager
def mining_progress() -> Iterator[OnProgress]:
    """Show a bar, if standard error is a terminal: done, turned down, dollars spent, time left."""
    console = errors()
    columns = (
        TextColumn("mining"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rejected]} turned down", markup=False),
        TextColumn("{task.fields[spent]}", markup=False),
        TimeRemainingColumn(),
    )
    disabled = not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=disabled) as bar:
        task = bar.add_task("", total=None, rejected=0, spent="")

        def show(progress: "MiningProgress") -> None:
            bar.update(
                task,
                total=progress.planned,
                completed=progress.done,
                rejected=progress.rejected,
                spent=dollars(progress.spent),
            )

        yield (lambda _: None) if disabled else show


def sum_up(summary: "MiningSummary", log: Path) -> None:
    """Say what came of a run."""
    progress = summary.progress
    parts = [f"wrote {progress.written:,} templates"]
    for count, words in (
        (progress.rejected, "were turned down twice and are given up"),
        (progress.failed, "failed and are tried again the next time"),
        (summary.merged, "say what another says and were merged"),
        (summary.known, "were settled before"),
    ):
        if count:
            parts.append(f"{count:,} {words}")
    parts.append(f"spent {dollars(progress.spent)}")
    if progress.spent_before:
        parts.append(f"{dollars(progress.spent + progress.spent_before)} in all")
    say(f"{'; '.join(parts)}; {log}")
    for line in (*_left_out(summary), *_reasons(progress)):
        say(f"  {line}")
    if summary.stopped:
        say(f"stopped: {_WHY.get(summary.stopped, summary.stopped)}")


def show_estimate(summary: "MiningSummary", cost: float) -> Iterator[str]:
    """Say what a run would do."""
    known = f"; {summary.known:,} are settled" if summary.known else ""
    yield f"{summary.progress.planned:,} templates to write{known}"
    yield from _left_out(summary)
    if cost:
        yield f"estimated cost, if none is turned down: {dollars(cost)}"
    elif summary.progress.planned:
        yield "what they cost is not known: give the model a price in the models' file"


def _left_out(summary: "MiningSummary") -> Iterator[str]:
    for count, words in (
        (summary.held_out, "questions are held out: of another split, or like one that is"),
        (summary.all_wrong, "questions have no right answer"),
        (summary.unknown, "questions have answers of which it is not known whether they are right"),
        (summary.suspicious, "questions look like an attempt to command their reader"),
    ):
        if count:
            yield f"{count:,} {words}"


def _reasons(progress: "MiningProgress") -> Iterator[str]:
    yield from _counted("turned down once", progress.first_rejections)
    yield from _counted("given up", progress.rejections)
    for kind, count in progress.errors.most_common(_SHOWN):
        yield f"{count:,} x {kind}: {progress.reasons.get(kind, '')}"


def _counted(what: str, counter: "Counter[str]") -> Iterator[str]:
    for why, count in counter.most_common(_SHOWN):
        yield f"{what}: {count:,} x {why}"
