"""What was selected for a student, in figures; where it is, and what to do with it."""

import json
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from fusion_agents.cli.console import printable, results, say

if TYPE_CHECKING:
    from fusion_agents.distill.data.manifest import Manifest
    from fusion_agents.distill.nouns import Dropped, SelectionReport

_FEW = 10
_NAMED = 4
"""Tasks that are named beside a reason."""


def print_selection(report: "SelectionReport") -> None:
    """Show what was taken and what was left out."""
    _table("examples by task", ("task", "examples"), report.by_task)
    _table("examples by teacher", ("model", "examples"), report.by_teacher)
    dropped = [one for one in report.dropped if one.n]
    if dropped:
        table = Table("why", "what", "number", "of tasks", title="left out", title_justify="left")
        table.columns[2].justify = "right"
        for one in dropped:
            row = (one.reason, one.what, f"{one.n:,}", _tasks(one))
            table.add_row(*(Text(printable(cell)) for cell in row))
        results().print(table)
    results().print(printable(_in_a_line(report)), soft_wrap=True)
    for note in report.notes:
        results().print(printable(note), soft_wrap=True)


def _table(title: str, head: tuple[str, str], counts: Mapping[str, int]) -> None:
    if not counts:
        return
    table = Table(*head, title=title, title_justify="left")
    table.columns[1].justify = "right"
    for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        table.add_row(Text(printable(name or "(none)")), f"{count:,}")
    results().print(table)


def _tasks(dropped: "Dropped") -> str:
    ranked = sorted(dropped.by_task.items(), key=lambda item: (-item[1], item[0]))
    shown = [f"{name or '(none)'} {count:,}" for name, count in ranked[:_NAMED]]
    return ", ".join([*shown, "..."] if len(ranked) > _NAMED else shown)


def _in_a_line(report: "SelectionReport") -> str:
    parts = [
        f"{report.n_examples:,} examples; the log has {report.n_questions:,} questions",
        f"{report.n_pairs:,} pairs",
    ]
    if report.lengths:
        lengths = ", ".join(f"{name} {value:,.0f}" for name, value in report.lengths.items())
        parts.append(f"characters of an answer: {lengths}")
    return "; ".join(parts)


def as_json(report: "SelectionReport", manifest: "Manifest | None" = None) -> str:
    """The report, and what the folder's manifest says beside it."""
    held = {} if manifest is None else manifest.model_dump(mode="json", exclude={"report"})
    return json.dumps({"report": report.model_dump(mode="json"), **held}, indent=1)


def say_what_was_written(manifest: "Manifest", folder: Path) -> None:
    """Name the files."""
    say(f"wrote {manifest.n_examples:,} examples and {manifest.n_pairs:,} pairs to {folder}")
    for name, note in manifest.files.items():
        say(f"  {name}  {note.n_bytes:,} bytes")
    say(f"fingerprint {manifest.fingerprint[:16]}")
    if manifest.n_examples < _FEW:
        say("warning: that is very little to learn from")


def say_what_next(manifest: "Manifest", folder: Path, log: Path) -> None:
    """Say the command that goes on."""
    say("to go on:")
    for command in _commands(manifest, folder, log):
        say(f"  {command}")


def _commands(manifest: "Manifest", folder: Path, log: Path) -> Iterable[str]:
    base = shlex.quote(manifest.base) if manifest.base else "MODEL"
    common = f"fusion-agents distill train --data {shlex.quote(str(folder))}"
    common += f" --log {shlex.quote(str(log))} --base {base} --out "
    uses_openai = "openai-chat" in manifest.formats
    if set(manifest.formats) != {"openai-chat"}:
        yield f"{common}student"
    if uses_openai:
        yield f"{common}student-openai --provider openai"
    if "alpaca" in manifest.formats:
        yield f"cd {shlex.quote(str(folder))} && llamafactory-cli train llamafactory.yaml"
    if "sharegpt" in manifest.formats:
        yield f"cd {shlex.quote(str(folder))} && llamafactory-cli train llamafactory_sharegpt.yaml"
