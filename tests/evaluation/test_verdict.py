import pytest

from fusion_agents.evaluation.report import Difference, Row, TaskResult
from fusion_agents.evaluation.verdict import verdict
from fusion_agents.objective import Objective

BEST = Row(router="best", arms={"big@direct": 1.0})
OBJECTIVE = Objective.parse("performance-first")


def row(low: float, high: float) -> Row:
    gain = Difference(delta=(low + high) / 2, low=low, high=high)
    tasks = {
        "a": TaskResult(n=50, delta=0.1, low=0.05, high=0.2),
        "b": TaskResult(n=50, delta=0.0, low=-0.1, high=0.1),
        "c": TaskResult(n=3, delta=-0.5),
        "d": TaskResult(n=50, delta=-0.2, low=-0.3, high=-0.1),
    }
    return Row(router="auto", vs_best=gain, arms={"small@direct": 1.0}, per_task=tasks)


@pytest.mark.parametrize(
    ("low", "high", "finding"),
    [
        (0.01, 0.03, "pays"),
        (-0.03, -0.01, "does not pay"),
        (-0.01, 0.02, "not distinguishable"),
        (0.0, 0.02, "not distinguishable"),
    ],
)
def test_only_an_interval_that_misses_zero_decides(low: float, high: float, finding: str) -> None:
    assert verdict(row(low, high), BEST, OBJECTIVE, []).finding == finding


def test_tasks_are_counted_and_small_ones_are_level() -> None:
    found = verdict(row(0.01, 0.03), BEST, OBJECTIVE, [])
    assert (found.tasks_above, found.tasks_level, found.tasks_below) == (1, 2, 1)
    assert "+2.0 points of performance [+1.0, +3.0] against always big@direct" in found.text


def test_routing_does_not_pay_if_the_router_always_does_what_best_does() -> None:
    same = Row(router="auto", vs_best=Difference(delta=0, low=0, high=0), arms=BEST.arms)
    found = verdict(same, BEST, OBJECTIVE, [])
    assert found.finding == "does not pay"
    assert found.text.startswith("Routing does not pay on this log: auto sends every query to big")


def test_a_refusal_is_no_verdict_on_the_router() -> None:
    refused = Row(router="auto", note="the log cannot tell")
    found = verdict(refused, BEST, OBJECTIVE, [])
    assert found.finding == "cannot tell"
    assert "the log cannot tell" in found.text
