"""What a judge is worth, as one HTML file that loads nothing from anywhere."""

from fusion_agents.evaluation.chart_calibration import calibration_chart
from fusion_agents.evaluation.markup import Markup, element, page
from fusion_agents.evaluation.report import Calibration
from fusion_agents.judging.judge_report import JudgeReport
from fusion_agents.judging.judge_text import remarks, title, with_interval


def to_html(report: JudgeReport) -> str:
    """Lay out the report; every name from the log is escaped."""
    header = element(
        "header",
        element("p", "fusion-agents judge", class_="kicker"),
        element("h1", title(report)),
        *(element("p", remark, class_="note") for remark in remarks(report)),
    )
    question = f"What is the judge {report.judge} worth?"
    return page(question, header, _figures(report), _scores(report))


def _figures(report: JudgeReport) -> Markup:
    rows = [
        element(
            "tr",
            element("th", name, scope="row"),
            element("td", with_interval(figure)),
            element("td", meaning),
        )
        for name, figure, meaning in report.lines()
    ]
    names = ("measure", "value [95 %]", "")
    top = element("thead", element("tr", *(element("th", name, scope="col") for name in names)))
    lead = "Brackets are 95 % intervals over resampled queries."
    table = element("div", element("table", top, element("tbody", *rows)), class_="scroll")
    return element(
        "section", element("h2", "Agreement and bias"), element("p", lead, class_="lead"), table
    )


def _scores(report: JudgeReport) -> Markup:
    error = report.error_before.value
    if error is None or not report.bins:
        return Markup()
    lead = (
        "The judge's scores as they are, and the performance that was measured. Dots on the "
        "dashed line mean what they say; larger dots stand for more answers."
    )
    chart = calibration_chart(report.judge, Calibration(error=error, n=report.n, bins=report.bins))
    return element(
        "section",
        element("h2", "What a score stands for"),
        element("p", lead, class_="lead"),
        chart,
    )
