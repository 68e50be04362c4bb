"""Training in figures: before it begins, while it runs, and when it has ended."""

import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from fusion_agents.cli.answering import dollars
from fusion_agents.cli.console import errors, results, say

if TYPE_CHECKING:
    from fusion_agents.distill.nouns import Student
    from fusion_agents.distill.training.estimating import TrainingEstimate
    from fusion_agents.distill.training.job_pricing import Estimate
    from fusion_agents.distill.training.progress import TrainingProgress

OnProgress = Callable[["TrainingProgress"], None]


def show_local_estimate(estimate: "TrainingEstimate") -> Iterator[str]:
    """Say what a training on this machine takes."""
    kept = f", {estimate.n_evaluation:,} are kept for the curve" if estimate.n_evaluation else ""
    yield f"{estimate.n_examples:,} examples are learned from{kept}"
    for reason, n in estimate.dropped.items():
        yield f"{n:,} examples are left out: {reason}"
    if estimate.students > 1:
        yield f"{estimate.students:,} adapters, one for each task"
    trained = estimate.tokens * estimate.epochs
    yield (
        f"{trained:,} tokens ({estimate.epochs} x {estimate.tokens:,}) in {estimate.steps:,} steps"
    )
    if estimate.seconds is not None:
        speed = f"{estimate.tokens_per_second:,.0f} tokens/s over a few steps"
        yield f"about {duration(estimate.seconds)} on {estimate.device}, at {speed}"


def show_openai_estimate(estimate: "Estimate") -> Iterator[str]:
    """Say what a fine-tuning job costs."""
    yield f"{estimate.n_examples:,} examples are uploaded and learned from"
    yield estimate.words


def duration(seconds: float) -> str:
    """A time as people say it.

    >>> duration(42), duration(150), duration(7300)
    ('42 s', '2.5 min', '2.0 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


@contextmanager
def training_progress() -> Iterator[OnProgress]:
    """Say what happens, and show a bar if standard error is a terminal.

    The bar has steps, loss, tokens a second and the time that is left.
    """
    console = errors()
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[figures]}", markup=False),
    )
    disabled = not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=disabled) as bar:
        task = bar.add_task("", total=None, figures="")
        said = 0

        def show(progress: "TrainingProgress") -> None:
            nonlocal said
            for note in progress.notes[said:]:
                say(f"  {note}")
            said = len(progress.notes)
            bar.update(
                task,
                description=f"{progress.student}: {progress.phase}",
                completed=progress.step,
                total=progress.steps,
                figures=_figures(progress),
            )

        yield show


def _figures(progress: "TrainingProgress") -> str:
    parts = []
    if progress.loss is not None:
        parts.append(f"loss {progress.loss:.3f}")
    if progress.eval_loss is not None:
        parts.append(f"kept {progress.eval_loss:.3f}")
    if progress.tokens_per_second is not None:
        parts.append(f"{progress.tokens_per_second:,.0f} tokens/s")
    if progress.seconds_left is not None:
        parts.append(f"{duration(progress.seconds_left)} left")
    return ", ".join(parts)


def sum_up(students: "Sequence[Student]", out: Path, data: Path, log: Path | None) -> None:
    """Print what was trained, and say what comes next."""
    for student in students:
        results().print(_line(student), soft_wrap=True)
        if (curve := _folder(student, out) / "curve.svg").exists():
            say(f"  curve: {curve}")
    for student in students:
        known = ["--data", str(data), *(["--log", str(log)] if log else [])]
        words = ["fusion-agents", "distill", "evaluate", str(_folder(student, out)), *known]
        say(f"next:\n  {shlex.join(words)}")


def _line(student: "Student") -> str:
    parts = [f"{student.name}: learned from {student.n_examples:,} examples"]
    if student.tokens is not None:
        parts.append(f"{student.tokens:,} tokens")
    if student.seconds is not None:
        parts.append(duration(student.seconds))
    if student.cost is not None:
        parts.append(dollars(student.cost))
    if student.loss is not None:
        parts.append(f"loss {student.loss:.3f} at the end")
    return f"{', '.join(parts)}; {student.spec}"


def _folder(student: "Student", out: Path) -> Path:
    return student.folder or out
