"""A collection in figures: while it runs, when it has ended, and before it begins."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from fusion_agents.cli.answering import dollars
from fusion_agents.cli.console import errors, say

if TYPE_CHECKING:
    from fusion_agents.collecting.estimate import Estimate
    from fusion_agents.collecting.progress import CollectProgress, CollectSummary
    from fusion_agents.pool.pool import Pool

OnProgress = Callable[["CollectProgress"], None]


@contextmanager
def collect_progress(planned: int) -> Iterator[OnProgress]:
    """Show a bar, if standard error is a terminal: done, failed, dollars spent, time left."""
    console = errors()
    columns = (
        TextColumn("collecting"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[failed]} failed", markup=False),
        TextColumn("{task.fields[spent]}", markup=False),
        TextColumn("{task.fields[at_a_time]} at a time", markup=False),
        TimeRemainingColumn(),
    )
    disabled = not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=disabled) as bar:
        task = bar.add_task("", total=planned, failed=0, spent="", at_a_time=0)

        def show(progress: "CollectProgress") -> None:
            bar.update(
                task,
                completed=progress.done,
                failed=progress.failed,
                spent=dollars(progress.spent),
                at_a_time=progress.in_flight,
            )

        yield (lambda _: None) if disabled else show


def sum_up(summary: "CollectSummary", log: Path) -> None:
    """Say what came of a run."""
    progress = summary.progress
    parts = [f"collected {progress.answered:,} answers"]
    for count, words in (
        (progress.failed, "failed"),
        (progress.answered_before, "were answered before"),
        (progress.failed_before, "failed before and are kept"),
        (progress.repeated, "are the same as another"),
        (progress.refused, "cannot be stored and were not made"),
        (progress.scored, "scored"),
        (progress.unscored, "could not be scored"),
    ):
        if count:
            parts.append(f"{count:,} {words}")
    parts.append(f"spent {dollars(progress.spent)}")
    if progress.spent_before:
        parts.append(f"{dollars(progress.spent + progress.spent_before)} in all")
    say(f"{'; '.join(parts)}; {log}")
    _say_details(summary)


def _say_details(summary: "CollectSummary") -> None:
    progress = summary.progress
    for kind, count in progress.errors.most_common(5):
        say(f"  {count:,} x {kind}: {progress.reasons.get(kind, '')}")
    for what in progress.reasons.keys() - progress.errors.keys():
        say(f"  {what}: {progress.reasons[what]}")
    if progress.estimated:
        say(f"  {progress.estimated:,} costs are estimates: their provider reported no usage")
    if summary.cut_off:
        say(
            f"  {summary.cut_off:,} calls were cut off while under way, in all runs: they may "
            "have been paid for without an answer"
        )
    for model, reason in progress.given_up.items():
        say(f"  {model} was not asked any more: {reason}")
    if summary.stopped:
        done = "" if progress.planned is None else f" after {progress.done:,} of "
        done = done and f"{done}{progress.planned:,} calls"
        why = "the budget is used up" if summary.stopped == "budget" else summary.stopped
        say(f"stopped{done}: {why}")


def dry_run_table(found: "Estimate", pool: "Pool") -> Table:
    """The calls that a collection would make."""
    already = sum(found.already.values())
    table = Table(title=f"{found.calls:,} calls to make, {already:,} need not be made")
    table.add_column("arm")
    for name in ("calls", "input tokens", "output tokens", "dollars", "prices of"):
        table.add_column(name, justify="right")
    for one in found.arms.values():
        prices = pool.prices(one.arm.model)
        source = "not known" if prices is None else str(prices.as_of or "models.toml")
        table.add_row(
            str(one.arm),
            f"{one.calls:,}",
            f"{one.input_tokens:,}",
            f"{one.output_tokens:,}",
            dollars(one.dollars if one.calls else 0.0),
            source,
        )
    total = f"estimated cost: {dollars(found.dollars)}"
    if found.unpriced:
        total += f", and that of {', '.join(found.unpriced)}, whose prices are not known"
    table.caption = total
    return table
