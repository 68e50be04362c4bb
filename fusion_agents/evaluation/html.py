"""The report as one HTML file that loads nothing from anywhere."""

from collections.abc import Sequence
from pathlib import Path

from fusion_agents.evaluation.chart_calibration import calibration_chart
from fusion_agents.evaluation.chart_curve import curve_chart, single_arms
from fusion_agents.evaluation.chart_intervals import Gain, intervals_chart
from fusion_agents.evaluation.chart_shares import shares_chart
from fusion_agents.evaluation.html_tables import (
    arms_table,
    rows_table,
    savings_table,
    shares_table,
    tasks_table,
)
from fusion_agents.evaluation.markup import Markup, element, page
from fusion_agents.evaluation.report import Difference, Evaluation, Row, TaskResult
from fusion_agents.stores.formats.writing import replacing


def write_html(evaluation: Evaluation, path: str | Path) -> None:
    """Write the report to a file, in UTF-8; it appears at once and complete, with mode 600.

    Raises:
        StoreError: If the folder is missing or cannot be written.
    """
    with replacing(Path(path)) as file:
        file.write(to_html(evaluation).encode())


def to_html(evaluation: Evaluation) -> str:
    """Lay out the report; every name from the log is escaped."""
    title = f"Does routing pay? {evaluation.verdict.finding}"
    return page(title, _header(evaluation), *_sections(evaluation))


def _header(evaluation: Evaluation) -> Markup:
    finding = evaluation.verdict.finding
    facts = [
        ("objective", evaluation.objective),
        ("learned from", f"{evaluation.n_train:,} queries"),
        ("tested on", f"{evaluation.n_test:,} held-out queries"),
        ("arms", str(len(evaluation.arms))),
    ]
    return element(
        "header",
        element("p", "fusion-agents evaluation", class_="kicker"),
        element("h1", f"Routing with {evaluation.verdict.router}: ", element("em", finding)),
        element("p", evaluation.verdict.text, class_="verdict"),
        element(
            "dl",
            *(element("div", element("dt", name), element("dd", value)) for name, value in facts),
        ),
        _notes(evaluation),
        class_=finding.replace(" ", "-"),
    )


def _notes(evaluation: Evaluation) -> Markup:
    if not evaluation.notes:
        return Markup()
    items = [element("li", note) for note in evaluation.notes]
    return element("aside", element("h2", "Read with care"), element("ul", *items))


def _sections(evaluation: Evaluation) -> list[Markup]:
    main = evaluation.row(evaluation.verdict.router)
    chosen = [row for row in evaluation.rows if row.arms]
    sections = [
        _section(
            "Routers",
            "Means over the held-out queries. Differences are to the best single arm, which was "
            "chosen on the training queries; brackets are 95 % intervals.",
            rows_table(evaluation),
            _gains_of_routers(evaluation.rows),
        )
    ]
    if evaluation.curve and single_arms(evaluation):
        sections.append(
            _section(
                "Quality and cost",
                "Each router with a growing weight on cost, from right to left. Only what lies "
                "above the dashed line beats tossing a coin between single arms.",
                curve_chart(evaluation),
                savings_table(evaluation),
            )
        )
    sections.append(
        _section(
            "Arms",
            "How often each router chooses which arm, and what each arm would have done alone.",
            shares_chart(chosen),
            element("details", element("summary", "Shares as a table"), shares_table(chosen)),
            arms_table(evaluation),
        )
    )
    if main.per_task:
        sections.append(
            _section(
                "Tasks",
                f"Gain of {main.router} over the best single arm on each task. With many tasks, "
                "one in twenty intervals misses zero by chance.",
                _gains_of_tasks(main.per_task),
                tasks_table(evaluation),
            )
        )
    if main.calibration is not None:
        sections.append(
            _section(
                "Calibration",
                f"What {main.router} expected and what came. Dots on the dashed line are honest; "
                "larger dots stand for more answers. Expected calibration error: "
                f"{main.calibration.error * 100:.1f} points.",
                calibration_chart(main.router, main.calibration),
            )
        )
    return sections


def _section(title: str, lead: str, *parts: Markup) -> Markup:
    return element("section", element("h2", title), element("p", lead, class_="lead"), *parts)


def _gains_of_routers(rows: Sequence[Row]) -> Markup:
    gains = [_gain(row.router, row.vs_best) for row in rows if row.router != "best"]
    known = [gain for gain in gains if gain is not None]
    return intervals_chart("Utility less that of the best single arm, points", known)


def _gains_of_tasks(tasks: dict[str, TaskResult]) -> Markup:
    gains = [
        _gain(name, Difference(delta=task.delta, low=task.low, high=task.high))
        for name, task in tasks.items()
    ]
    known = sorted((g for g in gains if g is not None), key=lambda gain: -gain.delta)
    if not known:
        return element("p", "No task has enough queries for an interval.", class_="lead")
    return intervals_chart("Utility less that of the best single arm by task, points", known)


def _gain(name: str, difference: Difference) -> Gain | None:
    if difference.delta is None or difference.low is None or difference.high is None:
        return None
    return Gain(name, difference.delta * 100, difference.low * 100, difference.high * 100)
