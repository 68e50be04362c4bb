import pytest

from fusion_agents.answering.policy import AnswerPolicy
from fusion_agents.errors import ConfigError
from fusion_agents.judges.catalogue import judge_classes, make_judge
from fusion_agents.judges.metric import MetricJudge
from fusion_agents.judges.pairwise import PairwiseJudge
from fusion_agents.judges.panel import PanelJudge
from fusion_agents.judges.rubric import RubricJudge
from fusion_agents.pool.pool import Pool
from fusion_agents.testing.scripted_judge import scripted_judge

POOL = Pool({"strict": scripted_judge(0.1), "kind": scripted_judge(0.9), "a+b": "openai:gpt-5"})


def test_all_judges_are_found() -> None:
    assert {"feedback", "metric", "pairwise", "panel", "rubric"} <= set(judge_classes())


def test_a_metric_may_be_named_for_queries_that_name_none() -> None:
    judge = make_judge("metric:exact_match")
    assert isinstance(judge, MetricJudge)
    assert judge.metric == "exact-match"
    assert judge.version != make_judge("metric").version


def test_a_models_string_may_hold_colons() -> None:
    judge = make_judge("rubric:ollama:qwen3:8b,anchors=fusionfactory,reference=no")
    assert isinstance(judge, RubricJudge)
    assert (judge.model.name, judge.anchors, judge.reference) == (
        "qwen3:8b",
        "fusionfactory",
        False,
    )


def test_a_model_of_the_pool_goes_by_its_name_there() -> None:
    judge = make_judge("pairwise:strict,rivals=2", pool=POOL)
    assert isinstance(judge, PairwiseJudge)
    assert (judge.model.name, judge.rivals) == ("scripted-judge", 2)


def test_a_panel_is_written_with_plus_signs() -> None:
    judge = make_judge(
        "panel:rubric:strict,reference=no+rubric:openai:gpt-5+rubric:a+b+metric", pool=POOL
    )
    assert isinstance(judge, PanelJudge)
    assert [type(member).name for member in judge.members] == ["rubric"] * 3 + ["metric"]


def test_what_judges_are_made_with_reaches_the_members() -> None:
    policy = AnswerPolicy(max_attempts=1)
    spec = "panel:rubric:openai:gpt-5+rubric:strict"
    panel = make_judge(spec, pool=POOL, policy=policy, allow_own_family=True)
    assert isinstance(panel, PanelJudge)
    for member in panel.members:
        assert isinstance(member, RubricJudge)
        assert member.model.policy == policy
        assert member.model.allow_own_family


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("", "there is no judge ''"),
        ("rubrik:openai:gpt-5", "known are feedback, metric, pairwise, panel, rubric"),
        ("rubric", "needs a model"),
        ("rubric:", "needs a model"),
        ("rubric:m,style=x", "has no option 'style'"),
        ("rubric:m,reference=maybe", "neither true nor false"),
        ("rubric:m,anchors=stars", "there are no anchors 'stars'"),
        ("pairwise:m,rivals=many", "not a whole number"),
        ("pairwise:m,rivals=0", "at least 1 rival"),
        ("panel:rubric:kind", "at least two judges"),
        ("metric:nonesuch", "there is no metric"),
        ("feedback:users", "takes no model"),
        ("rubric:nonesuch", "nonesuch"),
    ],
)
def test_a_text_that_means_no_judge_says_why(spec: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make_judge(spec, pool=POOL)
