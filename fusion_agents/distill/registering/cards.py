"""What the card of a student says: what it was made of, and where it helps."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from fusion_agents.distill.comparing.comparison import Comparison, Contrast
from fusion_agents.distill.nouns import Student
from fusion_agents.errors import ConfigError
from fusion_agents.students.files import billions, context_window, find_student
from fusion_agents.types import Arm

_NAMES = 6
"""Of tasks and teachers that are named; more are counted."""
_LONGEST = 60
"""Characters of a name."""


class Measures(NamedTuple):
    """What the files of a student say of its size."""

    size: float | None = None
    """Billions of parameters."""
    context_window: int | None = None
    """Tokens."""


def measures(student: Student) -> Measures:
    """Count the parameters and read the context window; of a provider's model, neither is known.

    Raises:
        ConfigError: If the files of a local student are gone or damaged.
    """
    if student.provider != "local":
        return Measures()
    files = find_student(student.folder or student.spec)
    size = billions(files)
    return Measures(None if size is None else float(f"{size:.4g}"), context_window(files))


def describe(student: Student, comparison: Comparison | None = None) -> str:
    """Say in words what a student is, for people and for models that choose among models.

    Raises:
        ConfigError: If the comparison is of another student.
    """
    teachers = [] if comparison is None else _teachers(comparison)
    by = f" by {_listed(teachers)}" if teachers else ""
    on = f" on {_listed(student.tasks)}" if student.tasks else ""
    said = [
        f"{_short(student.base)}, trained on {student.n_examples:,} right answers{by}{on}; "
        f"{fingerprint(student)}."
    ]
    if comparison is not None:
        _check(student, comparison)
        said += _findings(comparison)
    return " ".join(said)


def fingerprint(student: Student) -> str:
    """Which data a student learned from, as its card says it."""
    return f"data {student.data[:12]}"


def _check(student: Student, comparison: Comparison) -> None:
    named = comparison.student == student.name or comparison.student_spec == student.spec
    if not named or comparison.data != student.data:
        raise ConfigError(
            f"the comparison is of {comparison.student!r}, trained on data "
            f"{comparison.data[:12]}, and not of {student.name!r}, trained on "
            f"{fingerprint(student)}: evaluate the student"
        )


def _teachers(comparison: Comparison) -> list[str]:
    arms = (one.arm for one in comparison.references if one.teacher)
    return list(dict.fromkeys(Arm.parse(arm).model for arm in arms))


def _findings(comparison: Comparison) -> list[str]:
    rows = comparison.tasks or (comparison.overall,)
    said = [
        _sentence("better than its base on", rows, "helped"),
        _sentence("worse than its base on", rows, "hurt"),
        _sentence("no certain difference on", rows, "no certain difference"),
        _sentence("too few questions to tell on", rows, "too few"),
    ]
    found = "; ".join(part for part in said if part)
    return [f"On held-out questions: {found}."] if found else []


def _sentence(words: str, rows: Sequence[Contrast], finding: str) -> str:
    names = [_row(row) for row in rows if row.finding == finding]
    return f"{words} {_listed(names)}" if names else ""


def _row(row: Contrast) -> str:
    name = "all of them" if row.over != "task" else _short(row.task or "questions without a task")
    if row.finding not in ("helped", "hurt") or row.delta is None:
        return name
    return f"{name} ({row.base.performance:.0%} to {row.student.performance:.0%})"


def _listed(names: Iterable[str]) -> str:
    every = [_short(name) for name in names]
    more = len(every) - _NAMES
    return ", ".join(every[:_NAMES]) + (f" and {more} more" if more > 0 else "")


def _short(name: str) -> str:
    """A name in one short line; of a folder, its last part."""
    last = Path(name).name if Path(name).is_absolute() else name
    line = "".join(letter if letter.isprintable() else " " for letter in last)
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 3]}..."
