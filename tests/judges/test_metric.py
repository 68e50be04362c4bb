from fusion_agents.judges.base import Case
from fusion_agents.judges.metric import MetricJudge
from fusion_agents.types import Query


def test_the_querys_metric_scores_the_answer() -> None:
    query = Query(text="2 + 2?", ground_truth="4", metric="number")
    right = MetricJudge().judge(Case(query=query, response="It is 4."))
    wrong = MetricJudge().judge(Case(query=query, response="It is 5."))
    assert (right.score, right.correctness, wrong.score) == (1.0, 1.0, 0.0)
    assert right.cost is None


def test_without_ground_truth_or_metric_it_refuses() -> None:
    for query in (
        Query(text="2 + 2?", metric="number"),
        Query(text="2 + 2?", ground_truth="4"),
        Query(text="2 + 2?", ground_truth="4", metric="nonesuch"),
    ):
        verdict = MetricJudge().judge(Case(query=query, response="4"))
        assert (verdict.score, verdict.refused, verdict.error) == (None, True, None)
        assert verdict.reason


def test_a_metric_of_its_own_serves_queries_that_name_none() -> None:
    query = Query(text="2 + 2?", ground_truth="4")
    assert MetricJudge("gsm8k").judge(Case(query=query, response="#### 4")).score == 1.0
