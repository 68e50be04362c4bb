"""A comparison in sentences and cells: the same on the terminal and on a page."""

from collections.abc import Iterator, Sequence

from fusion_agents.distill.comparing.comparison import (
    Asked,
    Choices,
    Comparison,
    Contrast,
    Finding,
    Reference,
)
from fusion_agents.distill.comparing.verdict import FEWEST

HEAD = ("", "pairs", "base", "student", "difference [95 %]", "p", "finding")
ACCOUNT = (
    "", "answers", "failed", "unscored", "no answer", "empty", "cut off", "$ per 1k",
    "tokens out", "seconds",
)  # fmt: skip
CHOICES = ("kept back", "queries", "to the student", "router", "base", "student")
REFERENCES = ("arm", "queries", "performance", "base there", "student there", "$ per 1k")


def headline(comparison: Comparison) -> str:
    """What was found, in one sentence that does not spare the student."""
    overall = comparison.overall
    who = f"{comparison.student} against its base {comparison.base}"
    counts = f"on {overall.n:,} held-out queries"
    if overall.finding == "too few":
        return (
            f"{who}: {overall.n_groups:,} independent pairs are too few to say anything; at least "
            f"{FEWEST} are needed"
        )
    says = {
        "helped": "training helped",
        "hurt": "the student is worse than its base",
        "no certain difference": "no certain difference over all",
        "too few": "",
    }[overall.finding]
    return f"{who} {counts}: {says}, {points(overall)} points"


def sentences(comparison: Comparison) -> list[str]:
    """The headline, and by finding the tasks that have it."""
    said = [headline(comparison)]
    words: tuple[tuple[Finding, str], ...] = (
        ("helped", "better at"),
        ("hurt", "worse at"),
        ("no certain difference", "no certain difference at"),
        ("too few", "too few pairs to say at"),
    )
    several = len(comparison.tasks) > 1
    for finding, what in words if several else ():
        rows = [row for row in comparison.tasks if row.finding == finding]
        if rows:
            said.append(f"{what} {', '.join(_with_points(row) for row in rows)}")
    if comparison.n_regressions or comparison.n_gains:
        said.append(
            f"{comparison.n_gains:,} answers are right that were wrong, and "
            f"{comparison.n_regressions:,} are wrong that were right"
        )
    return said


def advice(comparison: Comparison) -> str:
    """What to make of it."""
    helped = comparison.found("helped")
    if comparison.overall.finding == "helped" and not comparison.found("hurt"):
        return "it is at least as good as its base everywhere; let the router say where it pays"
    if helped or comparison.overall.finding == "helped":
        return "let a router choose it where it is better; alone, it would lose elsewhere"
    if comparison.overall.finding == "hurt" or comparison.found("hurt"):
        return "do not use it in place of its base: train it otherwise, or leave it"
    return "there is no reason yet to use it in place of its base: test more queries"


def how(asked: Asked) -> str:
    """What was the same for both."""
    settings = ", ".join(f"{name}={value}" for name, value in asked.decoding.items())
    template = f", chat template {asked.template[:12]}" if asked.template else ""
    return f"both asked with the strategy {asked.strategy}, {settings or 'no settings'}{template}"


def name_of(row: Contrast) -> str:
    """What a row is about."""
    if row.over == "task":
        return row.task or "no task"
    return "all queries" if row.over == "queries" else "mean of tasks"


def cells(row: Contrast) -> tuple[str, ...]:
    """A row of the table under `HEAD`."""
    return (
        name_of(row),
        f"{row.n:,}",
        _hundredths(row.base.performance),
        _hundredths(row.student.performance),
        points(row),
        "-" if row.p is None else f"{row.p:.3f}" if row.p >= 0.001 else "<0.001",
        row.finding,
    )


def account(comparison: Comparison) -> Iterator[tuple[str, ...]]:
    """Two rows under `ACCOUNT`: what base and student did over all queries."""
    row = comparison.overall
    for name, side in ((comparison.base, row.base), (comparison.student, row.student)):
        yield (
            name,
            f"{row.n_asked - side.failed:,}",
            f"{side.failed:,}",
            f"{side.unscored:,}",
            f"{side.no_answer:,}",
            f"{side.empty:,}",
            f"{side.cut_off:,}",
            "-" if side.cost is None else f"{1000 * side.cost:.3g}",
            "-" if side.output_tokens is None else f"{side.output_tokens:.0f}",
            "-" if side.latency is None else f"{side.latency:.2f}",
        )


def reference_rows(references: Sequence[Reference]) -> Iterator[tuple[str, ...]]:
    """Rows under `REFERENCES`."""
    for one in references:
        yield (
            f"{one.arm}, a teacher" if one.teacher else one.arm,
            f"{one.n:,}",
            _hundredths(one.performance),
            _hundredths(one.base),
            _hundredths(one.student),
            "-" if one.cost is None else f"{1000 * one.cost:.3g}",
        )


def choice_rows(choices: Choices) -> Iterator[tuple[str, ...]]:
    """Rows under `CHOICES`."""
    for one in (*choices.tasks, choices.overall):
        yield (
            "all queries" if one.task is None else one.task or "no task",
            f"{one.n:,}" if one.n == one.n_known else f"{one.n:,} ({one.n_known:,} known)",
            f"{one.student_share:.0%}",
            _hundredths(one.router),
            _hundredths(one.base),
            _hundredths(one.student),
        )


def told(comparison: Comparison) -> str | None:
    """What was recorded; none if nothing was."""
    recorded = comparison.recorded
    if recorded is None:
        return None
    who = [recorded.student_arm, *([recorded.base_arm] if recorded.base_arm else [])]
    return (
        f"recorded {recorded.new:,} new entries of {' and '.join(who)} on {recorded.n_queries:,} "
        f"queries ({recorded.entries:,} in all); {len(recorded.kept_back):,} queries are kept back "
        "to test a router on"
    )


def points(row: Contrast) -> str:
    """The difference in points with its interval."""
    if row.delta is None:
        return "-"
    if row.low is None or row.high is None:
        return f"{100 * row.delta:+.1f}"
    return f"{100 * row.delta:+.1f} [{100 * row.low:+.1f}, {100 * row.high:+.1f}]"


def _with_points(row: Contrast) -> str:
    return f"{name_of(row)} ({points(row)})"


def _hundredths(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"
