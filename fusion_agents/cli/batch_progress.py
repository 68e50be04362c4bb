"""What a batch has done so far, as figures and as a bar."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from fusion_agents.cli.answering import dollars
from fusion_agents.cli.console import errors

if TYPE_CHECKING:
    from fusion_agents.cli.answer_file import Earlier


@dataclass
class BatchProgress:
    """Counts rows."""

    done: int = 0
    """Queries that have a row, those of earlier runs included."""
    answered: int = 0
    failed: int = 0
    cost: float | None = None
    """Dollars that this run has spent; none as long as no cost is known."""
    kinds: Counter[str] = field(default_factory=Counter)
    """How often what went wrong."""

    def count(self, row: dict[str, Any]) -> None:
        """Take note of a row."""
        self.done += 1
        if row["cost"] is not None:
            self.cost = (self.cost or 0.0) + row["cost"]
        if "error" not in row:
            self.answered += 1
            return
        self.failed += 1
        last = row["attempts"][-1]["error"] if row["attempts"] else None
        self.kinds[last or row["error_type"]] += 1


class _ShownProgress(BatchProgress):
    """Counts rows and moves a bar."""

    def __init__(self, bar: Progress, name: str, total: int, done: int) -> None:
        super().__init__(done=done)
        self._bar = bar
        self._task = bar.add_task(name, total=total, completed=done, failed=0, cost="")

    def count(self, row: dict[str, Any]) -> None:
        """Take note of a row."""
        super().count(row)
        cost = "" if self.cost is None else dollars(self.cost)
        self._bar.update(self._task, completed=self.done, failed=self.failed, cost=cost)


@contextmanager
def batch_progress(name: str, total: int, earlier: "Earlier") -> Iterator[BatchProgress]:
    """Show a bar, if standard error is a terminal: done, failed, dollars spent, time left."""
    console = errors()
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[failed]} failed", markup=False),
        TextColumn("{task.fields[cost]}", markup=False),
        TimeRemainingColumn(),
    )
    disabled = not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=disabled) as bar:
        yield _ShownProgress(bar, name, total, len(earlier.done))
