"""A study in figures: before it begins, on the terminal, and in a file."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from fusion_agents.cli.answering import dollars
from fusion_agents.cli.collect_report import dry_run_table
from fusion_agents.cli.console import check_outputs, results, say, write_text

if TYPE_CHECKING:
    from fusion_agents.pool.pool import Pool
    from fusion_agents.studying.foreseeing import Foreseen
    from fusion_agents.studying.report import Gain, Level, StudyReport

Row = Sequence[str]


class _Figures:
    """One table: a title, names of columns, and rows."""

    def __init__(self, title: str, columns: Iterable[str], rows: Iterable[Row]) -> None:
        self.title = title
        self.columns = list(columns)
        self.rows = [list(row) for row in rows]

    def on_terminal(self) -> Table:
        table = Table(title=self.title)
        for place, name in enumerate(self.columns):
            table.add_column(name, justify="right" if place else "left", no_wrap=not place)
        for row in self.rows:
            table.add_row(*row)
        return table

    def as_markdown(self) -> str:
        lines = [self.columns, ["---"] + ["---:"] * (len(self.columns) - 1), *self.rows]
        cells = ("| " + " | ".join(_cell(text) for text in line) + " |" for line in lines)
        return "\n".join([f"## {self.title}", "", *cells, ""])


def check_report(path: Path | None) -> None:
    """Find out before the work whether a report can be written.

    Raises:
        ConfigError: If it cannot, or the file's name does not say what it should be.
    """
    from fusion_agents.errors import ConfigError

    if path is not None and path.suffix.lower() not in (".json", ".md"):
        raise ConfigError(f"cannot write {str(path)!r}: name it .json or .md")
    check_outputs(path)


def print_report(report: "StudyReport") -> None:
    """Show what the study found."""
    for figures in _tables(report):
        results().print(figures.on_terminal())
    say(f"the study has cost {dollars(report.spent)} in all its runs")
    for note in report.notes:
        say(f"note: {note}")


def write_report(report: "StudyReport", path: Path) -> None:
    """Write it to a file, as its name says."""
    if path.suffix.lower() == ".json":
        write_text(str(path), report.model_dump_json(indent=1))
        return
    parts = [figures.as_markdown() for figures in _tables(report)]
    notes = [f"* {_cell(note)}" for note in report.notes]
    spent = f"The study has cost {dollars(report.spent)} in all its runs."
    write_text(str(path), "\n".join(["# Thought templates", "", *parts, spent, "", *notes]))


def show_estimate(found: "Foreseen", pool: "Pool") -> None:
    """Say what the study would do and may cost."""
    for criterion, count in found.minings.items():
        results().print(f"{count:,} templates by {criterion} to write")
    if found.templates:
        results().print(f"for these, if none is turned down: {dollars(found.templates)}")
    results().print(dry_run_table(found.answers, pool))
    if found.added:
        results().print(f"templates in front of questions add {dollars(found.added)} at most")


def _tables(report: "StudyReport") -> Iterable[_Figures]:
    for name in report.answerers:
        levels = [level for level in report.levels if level.answerer == name]
        gains = [gain for gain in report.gains if gain.answerer == name]
        yield _levels(f"{name}: mean performance", report.conditions, levels)
        for baseline in dict.fromkeys(gain.baseline for gain in gains):
            some = [gain for gain in gains if gain.baseline == baseline]
            names = dict.fromkeys(gain.condition for gain in some)
            yield _gains(f"{name}: points more than {baseline}, with 95 % intervals", names, some)
    yield _accounts(report)


def _levels(title: str, conditions: Iterable[str], levels: Sequence["Level"]) -> _Figures:
    names = list(conditions)
    found = {(_scope(level), level.condition): level for level in levels}
    rows = []
    for scope in dict.fromkeys(_scope(level) for level in levels):
        there = [found[scope, name] for name in names]
        n = max(level.n for level in there)
        rows.append([scope, f"{n:,}", *(_points(level.performance) for level in there)])
    return _Figures(title, ["", "questions", *names], rows)


def _gains(title: str, conditions: Iterable[str], gains: Sequence["Gain"]) -> _Figures:
    names = list(conditions)
    found = {(_scope(gain), gain.condition): gain for gain in gains}
    rows = [
        [scope, *(_gain(found[scope, name]) for name in names)]
        for scope in dict.fromkeys(_scope(gain) for gain in gains)
    ]
    return _Figures(title, ["", *names], rows)


def _accounts(report: "StudyReport") -> _Figures:
    columns = (
        "", "answers", "left out", "with templates", "tokens in", "tokens out",
        "answering", "templates", "embedding", "a question",
    )  # fmt: skip
    rows = [
        [
            f"{one.answerer}@{one.condition}",
            f"{one.answered:,}", f"{one.failed + one.unscored:,}", f"{one.with_templates:,}",
            _count(one.input_tokens), _count(one.output_tokens),
            dollars(one.answers), dollars(one.templates), dollars(one.embedding),
            dollars(one.per_question),
        ]
        for one in report.accounts
    ]  # fmt: skip
    return _Figures("what it took: tokens of an answer, and dollars", columns, rows)


def _scope(figure: "Level | Gain") -> str:
    if figure.over == "task":
        return figure.task or "no task"
    return "all questions" if figure.over == "queries" else "mean of tasks"


def _gain(gain: "Gain") -> str:
    if gain.delta is None:
        return "-"
    if gain.low is None or gain.high is None:
        return f"{100 * gain.delta:+.1f}"
    return f"{100 * gain.delta:+.1f} [{100 * gain.low:+.1f}, {100 * gain.high:+.1f}]"


def _points(performance: float | None) -> str:
    return "-" if performance is None else f"{100 * performance:.1f}"


def _count(number: float | None) -> str:
    return "-" if number is None else f"{number:,.0f}"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
