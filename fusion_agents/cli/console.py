"""Where the command line writes: results to standard output, everything else to standard error.

No text is read as markup or as an emoji's name: much of what is printed comes from a log. Files
appear at once and complete, and only the user may read them.
"""

import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

_WIDTH_OF_A_FILE = 132
"""Columns of a table that is written to a file or a pipe."""

_WIDTH_OF_A_PICTURE = 120

Step = Callable[[str, int, int | None], None]


_UNPRINTABLE = {
    code: "\ufffd" for code in (*range(32), *range(127, 160)) if code not in (9, 10, 13)
}


def printable(text: str) -> str:
    """The text without the characters that command a terminal; what models say may hold some."""
    return text.translate(_UNPRINTABLE)


def results() -> Console:
    """Standard output."""
    return _console(width=None if sys.stdout.isatty() else _WIDTH_OF_A_FILE)


def recorder() -> Console:
    """Standard output, which also remembers what was printed."""
    return _console(width=None if sys.stdout.isatty() else _WIDTH_OF_A_PICTURE, record=True)


def save_picture(console: Console, path: Path, title: str) -> None:
    """Save what a recorder remembers as an SVG file that loads nothing from anywhere."""
    picture = console.export_svg(title=title)
    picture = re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL)
    with output(path) as file:
        file.write(picture.encode())
    say(f"wrote {path}")


def errors() -> Console:
    """Standard error."""
    return _console(stderr=True)


def _console(*, width: int | None = None, record: bool = False, stderr: bool = False) -> Console:
    return Console(
        width=width, record=record, stderr=stderr, highlight=False, markup=False, emoji=False
    )


def write_text(path: str, text: str) -> None:
    """Write to a file, or to standard output if the path is `-`."""
    if path == "-":
        typer.echo(text)
        return
    with output(Path(path)) as file:
        file.write(f"{text}\n".encode())
    say(f"wrote {path}")


@contextmanager
def output(path: Path) -> Iterator[BinaryIO]:
    """Open a file that appears complete and with mode 600 when the block ends without an error.

    A link stays, and what it points to is replaced; a device or a pipe is written to.
    """
    from fusion_agents.stores.formats.writing import replacing

    if _is_special(path):
        with path.open("wb") as stream:
            yield stream
    else:
        with replacing(path.resolve()) as file:
            yield file


def check_outputs(*paths: str | Path | None) -> None:
    """Find out before the work whether files can be written; `-` is standard output.

    Raises:
        ConfigError: If one cannot.
    """
    from fusion_agents.errors import ConfigError

    for path in (Path(given) for given in paths if given and given != "-"):
        folder = path.resolve().parent
        if path.is_dir():
            raise ConfigError(f"cannot write {str(path)!r}: it is a folder; name a file in it")
        if not folder.is_dir():
            raise ConfigError(f"cannot write {str(path)!r}: there is no folder {str(folder)!r}")
        if not os.access(folder, os.W_OK) and not _is_special(path):
            raise ConfigError(f"cannot write {str(path)!r}: the folder may not be written")


def check_folder(path: Path) -> None:
    """Find out before the work whether a folder is there, or can be made, and be written.

    Raises:
        ConfigError: If not.
    """
    from fusion_agents.errors import ConfigError

    place = path.resolve()
    while not place.exists():
        place = place.parent
    if not place.is_dir():
        raise ConfigError(f"cannot write to {str(path)!r}: {str(place)!r} is a file")
    if not os.access(place, os.W_OK):
        raise ConfigError(f"cannot write to {str(path)!r}: {str(place)!r} may not be written")


def _is_special(path: Path) -> bool:
    return path.exists() and not path.is_file()


def say(message: str) -> None:
    """Tell the user something that is not part of the result."""
    errors().print(printable(message), soft_wrap=True)


@contextmanager
def progress() -> Iterator[Step]:
    """Show a bar while something goes on, if standard error is a terminal.

    Gives a function that takes what is done next, how many steps are done and how many there are
    (none if that is not known).
    """
    console = errors()
    columns = (
        TextColumn("{task.description}", markup=False),
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
