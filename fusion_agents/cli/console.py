"""Where the command line writes: results to standard output, everything else to standard error."""

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

_WIDTH_OF_A_FILE = 132
"""Columns of a table that is written to a file or a pipe."""

_WIDTH_OF_A_PICTURE = 120

Step = Callable[[str, int, int | None], None]


def results() -> Console:
    """Standard output."""
    return Console(width=None if sys.stdout.isatty() else _WIDTH_OF_A_FILE, highlight=False)


def recorder() -> Console:
    """Standard output, which also remembers what was printed."""
    width = None if sys.stdout.isatty() else _WIDTH_OF_A_PICTURE
    return Console(width=width, highlight=False, record=True)


def save_picture(console: Console, path: Path, title: str) -> None:
    """Save what a recorder remembers as an SVG file that loads nothing from anywhere."""
    picture = console.export_svg(title=title)
    path.write_text(re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL), "utf-8")
    say(f"wrote {path}")


def errors() -> Console:
    """Standard error."""
    return Console(stderr=True, highlight=False)


def write_text(path: str, text: str) -> None:
    """Write to a file, or to standard output if the path is `-`."""
    if path == "-":
        typer.echo(text)
    else:
        Path(path).write_text(f"{text}\n", encoding="utf-8")
        say(f"wrote {path}")


def say(message: str) -> None:
    """Tell the user something that is not part of the result."""
    errors().print(message, markup=False, soft_wrap=True)


@contextmanager
def progress() -> Iterator[Step]:
    """Show a bar while something goes on, if standard error is a terminal.

    Gives a function that takes what is done next, how many steps are done and how many there are
    (none if that is not known).
    """
    console = errors()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    disabled = not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=disabled) as bar:
        task = bar.add_task("", total=None)

        def step(what: str, done: int, total: int | None) -> None:
            bar.update(task, description=what, completed=done, total=total)

        yield step
