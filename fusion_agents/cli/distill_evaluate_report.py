"""A comparison of a student with its base: before it is made, on the terminal, and in files."""

import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from fusion_agents.cli.answering import dollars
from fusion_agents.cli.collect_report import dry_run_table
from fusion_agents.cli.console import printable, results, say, write_text

if TYPE_CHECKING:
    from fusion_agents.collecting.estimate import Estimate
    from fusion_agents.distill.comparing.comparison import Change, Comparison
    from fusion_agents.distill.comparing.evaluating import StudentEvaluation

_LINE = 100
"""Characters of a question or an answer on the terminal."""


def show_estimate(found: "Estimate", evaluation: "StudentEvaluation") -> None:
    """Say what is left to ask, and what it may cost."""
    left_out = evaluation.chosen.left_out
    n = len(evaluation.chosen.queries)
    results().print(f"{n:,} held-out queries, asked of base and student")
    for count, words in (
        (left_out.trained, "queries are left out: the student learned from them"),
        (left_out.near_duplicates, "are near-duplicates of what it learned from"),
        (left_out.unscorable, "have no ground truth or no metric"),
    ):
        if count:
            results().print(f"{count:,} {words}")
    results().print(dry_run_table(found, evaluation.contestants.pool))


def print_comparison(comparison: "Comparison") -> None:
    """Show what was found."""
    from fusion_agents.distill.comparing import comparison_text as text

    first, *others = text.sentences(comparison)
    results().print(printable(first), style="bold", soft_wrap=True)
    for line in (*others, text.advice(comparison)):
        results().print(printable(line), soft_wrap=True)
    _print_table(text.HEAD, map(text.cells, comparison.rows()))
    _print_table(text.ACCOUNT, text.account(comparison))
    if comparison.references:
        _print_table(text.REFERENCES, text.reference_rows(comparison.references))
    if comparison.choices:
        _print_table(text.CHOICES, text.choice_rows(comparison.choices))
    _print_changes("right before, wrong now", comparison.regressions, comparison.n_regressions)
    _print_changes("wrong before, right now", comparison.gains, comparison.n_gains)
    say(
        f"{text.how(comparison.asked)}; intervals of each row alone, p and findings corrected for "
        f"all rows (Holm); spent {dollars(comparison.spent)} in all runs"
    )
    for name, kinds in comparison.errors.items():
        counts = ", ".join(f"{n:,} x {kind}" for kind, n in kinds.items())
        say(f"asked in vain ({name}): {counts}; the same command asks these again")
    for note in (*comparison.notes, text.told(comparison)):
        if note:
            say(f"note: {note}")


def write_reports(comparison: "Comparison", json: str | None, html: Path | None) -> None:
    """Write it to files, as wanted."""
    from fusion_agents.distill.comparing.comparison_html import to_html

    if json:
        write_text(json, comparison.model_dump_json(indent=1))
    if html:
        write_text(str(html), to_html(comparison))


def say_what_next(comparison: "Comparison", out: Path, log: Path, command: str) -> None:
    """Name the command that comes next."""
    if comparison.recorded is None:
        say(f"to let routers learn from it:\n  {command} --record")
        return
    say(
        "to ask it, and to learn where it is good:\n"
        f"  fusion-agents distill register {shlex.quote(str(out))}\n"
        f"  fusion-agents refresh --log {shlex.quote(str(log))} --router-dir router"
    )


def _print_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    table = Table()
    for place, name in enumerate(head):
        table.add_column(name, justify="right" if place else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    results().print(table)


def _print_changes(title: str, changes: Sequence["Change"], n: int) -> None:
    if not changes:
        return
    results().print(f"{title}, {len(changes)} of {n:,}:")
    for one in changes:
        results().print(f"  {_line(one.question)}", soft_wrap=True)
        results().print(f"    base: {_line(one.base_answer)}", soft_wrap=True)
        results().print(f"    student: {_line(one.student_answer)}", soft_wrap=True)


def _line(text: str) -> str:
    """A text on one line, quoted."""
    flat = printable(" ".join(text.split()))
    return repr(flat if len(flat) <= _LINE else f"{flat[: _LINE - 1]}…")
