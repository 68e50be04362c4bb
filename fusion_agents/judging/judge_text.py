"""What a judge is worth, as a table for the terminal and as Markdown."""

from rich.table import Table
from rich.text import Text

from fusion_agents.judging.judge_report import Figure, JudgeReport


def table(report: JudgeReport) -> Table:
    """One line a figure, with what follows from them below."""
    laid_out = Table(
        title=Text(title(report)),
        caption=Text("\n".join(remarks(report))),
        caption_justify="left",
    )
    laid_out.add_column("measure", no_wrap=True)
    laid_out.add_column("value [95 %]", justify="right", no_wrap=True)
    laid_out.add_column("")
    for name, figure, meaning in report.lines():
        laid_out.add_row(name, with_interval(figure), meaning)
    return laid_out


def to_markdown(report: JudgeReport) -> str:
    """The same as Markdown, with what scores are worth."""
    lines = [f"# {_cell(title(report))}", "", "| measure | value [95 %] | |", "|---|---|---|"]
    lines += [
        f"| {name} | {with_interval(figure)} | {meaning} |"
        for name, figure, meaning in report.lines()
    ]
    lines += ["", *(f"* {_cell(remark)}" for remark in remarks(report))]
    if report.bins:
        lines += ["", "| score | performance | answers |", "|---|---|---|"]
        lines += [f"| {one.forecast:.2f} | {one.outcome:.2f} | {one.n:,} |" for one in report.bins]
    return "\n".join([*lines, ""])


def title(report: JudgeReport) -> str:
    """Who was measured, on how much."""
    judge = f"{report.judge} ({report.judge_version})"
    return f"{judge}: {report.n:,} answers to {report.n_queries:,} queries"


def remarks(report: JudgeReport) -> list[str]:
    """What follows from the figures, in words."""
    said = []
    if report.calibration is not None:
        line = report.calibration
        low, high = line.performances[0], line.performances[-1]
        said.append(f"its scores stand for performances from {low:.2f} to {high:.2f}")
    else:
        said.append(f"no calibration: {report.refusal}")
    said += _biases(report)
    return [*said, *report.notes]


def with_interval(figure: Figure) -> str:
    """A figure with its interval; `-` if it is not known.

    >>> with_interval(Figure(value=0.5, low=0.25, high=0.75))
    '0.500 [0.250, 0.750]'
    """
    if figure.value is None:
        return "-"
    if figure.low is None or figure.high is None:
        return f"{figure.value:.3f}"
    return f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]"


def _biases(report: JudgeReport) -> list[str]:
    """Biases beyond chance."""
    found = []
    for figure, more, less in (
        (report.length_slope, "longer answers", "shorter answers"),
        (report.own_family, "its own family", "other families"),
        (report.first_preference, "the answer shown first", "the answer shown second"),
    ):
        if figure.value is not None and figure.excludes_zero:
            found.append(f"it prefers {more if figure.value > 0 else less}, beyond chance")
    return found


def _cell(text: str) -> str:
    """Text from a log as Markdown, without effect there."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>#|!" else c for c in " ".join(text.split()))
