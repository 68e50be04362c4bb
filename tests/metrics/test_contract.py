import inspect
from importlib import import_module
from pathlib import Path

from fusion_agents.metrics import Metric, metric_classes
from fusion_agents.metrics.contains import Contains
from fusion_agents.metrics.coverage import Coverage
from fusion_agents.metrics.exact_match import ExactMatch
from fusion_agents.metrics.f1 import TokenF1
from fusion_agents.metrics.literal import Literal
from fusion_agents.metrics.math import Math
from fusion_agents.metrics.multiple_choice import MultipleChoice
from fusion_agents.metrics.number import Number
from fusion_agents.testing.metric_contract import Cases, MetricContract
from fusion_agents.types import Query


class TestMultipleChoice(MetricContract):
    def make(self) -> Metric:
        return MultipleChoice()

    def cases(self) -> Cases:
        query = Query(text="Which is blue?\n(A) grass\n(B) the sky", ground_truth="B")
        return Cases(query, ["B", "The answer is (B)."], ["A", "A sky is B-shaped", "A or B"])


class TestExactMatch(MetricContract):
    def make(self) -> Metric:
        return ExactMatch()

    def cases(self) -> Cases:
        query = Query(text="Who wrote Emma?", ground_truth="Jane Austen")
        return Cases(query, ["jane austen.", "Answer: **Jane Austen**"], ["Jane", "The answer"])


class TestContains(MetricContract):
    def make(self) -> Metric:
        return Contains()

    def cases(self) -> Cases:
        query = Query(text="Who wrote Emma?", ground_truth="Austen")
        return Cases(query, ["It was Jane Austen."], ["Austenland", "Jane"])


class TestF1(MetricContract):
    def make(self) -> Metric:
        return TokenF1()

    def cases(self) -> Cases:
        query = Query(text="Who wrote Emma?", ground_truth="Jane Austen")
        return Cases(query, ["Jane Austen", "Answer: Jane Austen"], ["Jane", "Charles Dickens"])


class TestNumber(MetricContract):
    def make(self) -> Metric:
        return Number()

    def cases(self) -> Cases:
        query = Query(text="How much is it?", ground_truth="It is 9 * 2 = 18.\n#### 18")
        return Cases(query, ["#### 18", "It costs $18.00."], ["19", "180", "1.8", "no idea"])


class TestMath(MetricContract):
    def make(self) -> Metric:
        return Math()

    def cases(self) -> Cases:
        query = Query(text="Half of x?", ground_truth=r"It is $\boxed{\frac{x}{2}}$.")
        return Cases(query, [r"\boxed{0.5x}", "The answer is $x/2$."], [r"\boxed{2x}", "a half"])


class TestLiteral(MetricContract):
    def make(self) -> Metric:
        return Literal()

    def cases(self) -> Cases:
        query = Query(text="assert f() == ??", ground_truth="['a', 2]")
        return Cases(query, ['{"answer": ["a", 2]}', '["a",2]'], ["['A', 2]", "('a', 2)"])


class TestCoverage(MetricContract):
    def make(self) -> Metric:
        return Coverage()

    def cases(self) -> Cases:
        query = Query(text="Use: dog, chase", ground_truth="dog, chase")
        return Cases(query, ["The dogs chased it."], ["The dog.", "A cat."])


def test_every_metric_is_held_to_the_contract() -> None:
    for path in Path(__file__).parent.glob("test_*.py"):
        import_module(f"tests.metrics.{path.stem}")
    sources = [inspect.getsource(contract) for contract in MetricContract.__subclasses__()]
    classes = metric_classes()
    missing = [n for n, cls in classes.items() if not any(cls.__name__ in s for s in sources)]
    assert {"multiple-choice", "exact-match", "contains", "f1", "number", "math"} <= set(classes)
    assert missing == []
