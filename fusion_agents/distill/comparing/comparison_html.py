"""A comparison of a student with its base as one HTML file that loads nothing from anywhere."""

from collections.abc import Iterable, Sequence

from fusion_agents.distill.comparing.comparison import Change, Comparison, Contrast
from fusion_agents.distill.comparing.comparison_text import (
    ACCOUNT,
    CHOICES,
    HEAD,
    REFERENCES,
    account,
    advice,
    cells,
    choice_rows,
    how,
    name_of,
    reference_rows,
    sentences,
    told,
)
from fusion_agents.evaluation.chart_intervals import Gain, intervals_chart
from fusion_agents.evaluation.markup import Markup, element, page


def to_html(comparison: Comparison) -> str:
    """Lay out the report; every text from the log is escaped."""
    title = f"Did training help {comparison.student}?"
    return page(title, _header(comparison), *_sections(comparison))


def _header(comparison: Comparison) -> Markup:
    first, *others = sentences(comparison)
    said = [*others, advice(comparison), how(comparison.asked), told(comparison)]
    kind = {"helped": "pays", "hurt": "does-not-pay"}.get(comparison.overall.finding)
    notes = [element("li", note) for note in comparison.notes]
    aside = element("aside", element("h2", "Read with care"), element("ul", *notes))
    return element(
        "header",
        element("p", "fusion-agents distill evaluate", class_="kicker"),
        element("h1", f"{comparison.student}: ", element("em", comparison.overall.finding)),
        element("p", first, class_="verdict"),
        *(element("p", text, class_="note") for text in said if text),
        aside if notes else Markup(),
        class_=kind,
    )


def _sections(comparison: Comparison) -> Iterable[Markup]:
    rows = comparison.rows()
    yield _section(
        "By task",
        "Mean performance in points, student less base on the same queries. Each bracket is the "
        "95 % interval of its row alone; p and findings are corrected for all rows (Holm), so that "
        "in 95 of 100 comparisons without any difference none is found.",
        _table(HEAD, map(cells, rows)),
        intervals_chart("Student less base, points", [g for g in map(_gain, rows) if g]),
    )
    yield _section("What it took", "Over all queries.", _table(ACCOUNT, account(comparison)))
    if comparison.references:
        yield _section(
            "Others on the same queries",
            "As the log has them, beside base and student on just those queries.",
            _table(REFERENCES, reference_rows(comparison.references)),
        )
    if comparison.choices:
        yield _section(
            "What a router makes of it",
            f"{comparison.choices.router} learned from {comparison.choices.n_learned:,} queries of "
            "the log and chose among its arms for queries that were kept back.",
            _table(CHOICES, choice_rows(comparison.choices)),
        )
    for title, some, n in (
        ("Right before, wrong now", comparison.regressions, comparison.n_regressions),
        ("Wrong before, right now", comparison.gains, comparison.n_gains),
    ):
        if some:
            yield _section(title, f"{len(some)} of {n:,}, shortened.", _examples(some))


def _gain(row: Contrast) -> Gain | None:
    if row.delta is None or row.low is None or row.high is None:
        return None
    return Gain(name_of(row), 100 * row.delta, 100 * row.low, 100 * row.high)


def _examples(changes: Sequence[Change]) -> Markup:
    head = ("task", "question", "base", "student")
    return _table(
        head,
        ((one.task or "", one.question, one.base_answer, one.student_answer) for one in changes),
    )


def _section(title: str, lead: str, *parts: Markup) -> Markup:
    return element("section", element("h2", title), element("p", lead, class_="lead"), *parts)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Markup:
    lines = [
        element(
            "tr",
            element("th", row[0], scope="row"),
            *(element("td", cell) for cell in row[1:]),
        )
        for row in rows
    ]
    top = element("thead", element("tr", *(element("th", name, scope="col") for name in head)))
    table = element("table", top, element("tbody", *lines))
    return element("div", table, class_="scroll", tabindex=0)
