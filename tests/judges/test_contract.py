import inspect
from typing import Any

from langchain_core.language_models import BaseChatModel

from fusion_agents.answering.policy import AnswerPolicy
from fusion_agents.judges.base import Case, Judge
from fusion_agents.judges.catalogue import judge_classes
from fusion_agents.judges.feedback import FeedbackJudge
from fusion_agents.judges.metric import MetricJudge
from fusion_agents.judges.pairwise import PairwiseJudge
from fusion_agents.judges.panel import PanelJudge
from fusion_agents.judges.rubric import RubricJudge
from fusion_agents.testing.judge_contract import JudgeContract, ModelJudgeContract
from fusion_agents.types import Query

ONCE = AnswerPolicy(max_attempts=1)
QUERY = Query(text="How much is 2 + 2?", ground_truth="4", metric="number")
CASE = Case(query=QUERY, response="It is 5.", entry_key="e1")
RIVALS = (Case(query=QUERY, response="It is 4."),)


class TestMetricJudge(JudgeContract):
    def make(self) -> Judge:
        return MetricJudge()

    def case(self) -> Case:
        return CASE


class TestFeedbackJudge(JudgeContract):
    def make(self) -> Judge:
        return FeedbackJudge()

    def case(self) -> Case:
        return CASE


class TestRubricJudge(ModelJudgeContract):
    def make_with(self, model: BaseChatModel, **options: Any) -> Judge:
        return RubricJudge(model, policy=ONCE, **options)

    def case(self) -> Case:
        return CASE


class TestRubricJudgeOfThePaper(ModelJudgeContract):
    def make_with(self, model: BaseChatModel, **options: Any) -> Judge:
        return RubricJudge(model, anchors="fusionfactory", policy=ONCE, **options)

    def case(self) -> Case:
        return CASE


class TestPairwiseJudge(ModelJudgeContract):
    def make_with(self, model: BaseChatModel, **options: Any) -> Judge:
        return PairwiseJudge(model, policy=ONCE, **options)

    def case(self) -> Case:
        return Case(query=QUERY, response="It is 5.", entry_key="e1", rivals=RIVALS)


class TestPanelJudge(ModelJudgeContract):
    def make_with(self, model: BaseChatModel, **options: Any) -> Judge:
        members = [RubricJudge(model, policy=ONCE, reference=r, **options) for r in (True, False)]
        return PanelJudge(members)

    def case(self) -> Case:
        return CASE


def test_every_judge_is_held_to_the_contract() -> None:
    contracts = (*JudgeContract.__subclasses__(), *ModelJudgeContract.__subclasses__())
    sources = [inspect.getsource(contract) for contract in contracts]
    classes = judge_classes()
    missing = [n for n, cls in classes.items() if not any(cls.__name__ in s for s in sources)]
    assert {"feedback", "metric", "pairwise", "panel", "rubric"} <= set(classes)
    assert missing == []
