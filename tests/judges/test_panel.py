import pytest

from fusion_agents.answering.policy import AnswerPolicy
from fusion_agents.errors import ConfigError
from fusion_agents.judges.base import Case, Judge
from fusion_agents.judges.metric import MetricJudge
from fusion_agents.judges.panel import PanelJudge
from fusion_agents.judges.rubric import RubricJudge
from fusion_agents.testing.scripted_judge import scripted_judge
from fusion_agents.types import Arm, Query

ONCE = AnswerPolicy(max_attempts=1)
CASE = Case(query=Query(text="A poem, please."), response="Roses are red.")


def member(score: float | str, model: str = "scripted") -> Judge:
    return RubricJudge(scripted_judge(score, model=model), policy=ONCE)


@pytest.mark.parametrize(
    ("scores", "score"),
    [((0.1, 0.2, 1.0), 0.2), ((0.0, 0.6), 0.3), ((0.5, "No."), 0.5), ((0.1, 0.9, "No."), 0.5)],
)
async def test_the_median_of_those_that_score_counts(
    scores: tuple[float | str, ...], score: float
) -> None:
    panel = PanelJudge([member(each) for each in scores])
    for verdict in (panel.judge(CASE), await panel.ajudge(CASE)):
        assert verdict.score == verdict.correctness == pytest.approx(score)


def test_the_reason_says_how_far_they_lie_apart() -> None:
    verdict = PanelJudge([member(0.1), member(0.9), member("No.")]).judge(CASE)
    assert (verdict.reason or "").startswith("2 of 3 scored, 0.8 apart: rubric-")


def test_less_than_half_is_a_failure() -> None:
    verdict = PanelJudge([member(0.1), member("No."), member("No.")]).judge(CASE)
    assert (verdict.score, verdict.error, verdict.refused) == (None, "invalid", False)


def test_a_panel_whose_members_refuse_refuses() -> None:
    kin = Case(query=CASE.query, response="4", arm=Arm(model="gpt-4o"))
    verdict = PanelJudge([MetricJudge(), member(1.0, "gpt-5")]).judge(kin)
    assert (verdict.score, verdict.error, verdict.refused) == (None, None, True)


def test_tokens_of_all_members_are_counted() -> None:
    one = member(0.1).judge(CASE).usage
    both = PanelJudge([member(0.1), member(0.1)]).judge(CASE).usage
    assert both.input_tokens == 2 * (one.input_tokens or 0)


def test_its_version_is_that_of_its_members_in_any_order() -> None:
    a, b, c = member(0.1, "a"), member(0.1, "b"), member(0.1, "c")
    assert PanelJudge([a, b]).version == PanelJudge([b, a]).version
    assert PanelJudge([a, b]).version != PanelJudge([a, c]).version


def test_one_judge_or_a_panel_of_panels_is_no_panel() -> None:
    with pytest.raises(ConfigError):
        PanelJudge([member(0.1)])
    with pytest.raises(ConfigError):
        PanelJudge([member(0.1), PanelJudge([member(0.1), member(0.2)])])
