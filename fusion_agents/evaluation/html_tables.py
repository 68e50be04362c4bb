"""The report's tables in HTML."""

from collections.abc import Sequence

from fusion_agents.evaluation.markup import Markup, element
from fusion_agents.evaluation.report import Evaluation, Row, Saving, TaskResult
from fusion_agents.evaluation.terminal import is_estimated, number, points, with_interval


def rows_table(evaluation: Evaluation) -> Markup:
    """One line a router."""
    head = (
        "router",
        "performance",
        "judge",
        "$ per 1k",
        "utility",
        "utility vs best",
        "utility vs logged",
        "method",
        "effective sample size",
        "oracle gap",
        "calibration error",
        "arena score",
        "fit, s",
        "route, ms",
    )
    estimated = is_estimated(evaluation)
    weighed = any(row.utility != row.performance for row in evaluation.rows)
    body = [
        (
            row.router,
            points(row.performance),
            points(row.judge),
            number(_per_thousand(row.cost), 3),
            points(row.utility if weighed else None),
            with_interval(row.vs_best),
            with_interval(row.vs_logged),
            row.methods.get("utility", "-") if estimated else "-",
            number(row.ess if estimated else None, 0),
            "-" if row.oracle_gap is None else f"{row.oracle_gap:.0%}",
            points(row.calibration.error if row.calibration else None),
            points(row.arena_score),
            number(row.fit_seconds, 1),
            number(row.route_ms, 2),
        )
        for row in evaluation.rows
    ]
    failed = [f"{row.router}: {row.note}" for row in evaluation.rows if row.note]
    notes = [element("p", text, class_="note") for text in failed]
    return element("div", _table(*_without_empty(head, body)), *notes)


def arms_table(evaluation: Evaluation) -> Markup:
    """What each arm would have done alone."""
    head = ("arm", "performance", "judge", "$ per 1k", "answers", "failed attempts")
    arms = sorted(evaluation.arms, key=lambda a: (-(a.performance or a.judge or 0.0), a.arm))
    body = [
        (
            arm.arm,
            points(arm.performance),
            points(arm.judge),
            number(_per_thousand(arm.cost), 3),
            f"{arm.n_answers:,}",
            f"{arm.error_rate:.1%}" if arm.error_rate else "-",
        )
        for arm in arms
    ]
    return _table(*_without_empty(head, body))


def shares_table(rows: Sequence[Row]) -> Markup:
    """Share of the queries for each router and arm."""
    arms = sorted({arm for row in rows for arm in row.arms})
    body = [
        (arm, *(f"{row.arms[arm]:.1%}" if arm in row.arms else "-" for row in rows)) for arm in arms
    ]
    return _table(("arm", *(row.router for row in rows)), body)


def savings_table(evaluation: Evaluation) -> Markup:
    """Money saved at equal quality."""
    if not evaluation.savings:
        return Markup()
    head = ("router", "quality given up", "cost saved", "quality vs best", "weight", "chosen on")
    body = [
        (
            saving.router,
            f"at most {saving.tolerance * 100:.1f}",
            _percent_interval(saving),
            with_interval(saving.vs_best),
            "-" if saving.weight is None else f"{saving.weight:g}",
            saving.chosen_on,
        )
        for saving in evaluation.savings
    ]
    return _table(head, body)


def tasks_table(evaluation: Evaluation) -> Markup:
    """Differences by task and router; intervals that miss zero have an arrow."""
    rows = [row for row in evaluation.rows if row.per_task and row.router != "best"]
    tasks = next((row.per_task for row in rows), {})
    body = [
        (
            name,
            f"{task.n:,}",
            points(task.best),
            *(_task_cell(row.per_task[name]) for row in rows),
        )
        for name, task in tasks.items()
    ]
    return _table(("task", "queries", "best arm", *(row.router for row in rows)), body)


def _task_cell(task: TaskResult) -> Markup | str:
    if task.delta is None:
        return "-"
    if task.low is None or task.high is None:
        return element("span", points(task.delta, signed=True), class_="unsure")
    arrow, finding = "", "level"
    if task.low > 0:
        arrow, finding = "▲ ", "above"
    elif task.high < 0:
        arrow, finding = "▼ ", "below"
    said = f"{points(task.delta, signed=True)} [{points(task.low)}, {points(task.high)}]"
    return element("span", arrow + points(task.delta, signed=True), class_=finding, title=said)


def _percent_interval(saving: Saving) -> str:
    saved = saving.saved
    if saved.delta is None or saved.low is None or saved.high is None:
        return "-"
    return f"{saved.delta:.0%} [{saved.low:.0%}, {saved.high:.0%}]"


def _per_thousand(cost: float | None) -> float | None:
    return None if cost is None else cost * 1000


def _without_empty(
    head: Sequence[str], body: Sequence[Sequence[str]]
) -> tuple[list[str], list[list[str]]]:
    """Leave out columns in which nothing is known."""
    keep = [i for i in range(len(head)) if any(line[i] != "-" for line in body)]
    return [head[i] for i in keep], [[line[i] for i in keep] for line in body]


def _table(head: Sequence[str], body: Sequence[Sequence[str]]) -> Markup:
    lines = [
        element(
            "tr",
            element("th", line[0], scope="row"),
            *(element("td", cell) for cell in line[1:]),
        )
        for line in body
    ]
    table = element(
        "table",
        element("thead", element("tr", *(element("th", name, scope="col") for name in head))),
        element("tbody", *lines),
    )
    return element("div", table, class_="scroll", tabindex=0)
