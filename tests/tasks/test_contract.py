"""Every task keeps what tasks promise, on small data in the hub's shape."""

from collections.abc import Sequence

from fusion_agents.tasks import Part, Task, make_task, task_classes
from fusion_agents.tasks.base import Row
from fusion_agents.testing.task_contract import TaskContract
from tests.tasks.rows import in_memory


class OnSmallData(TaskContract):
    name = ""

    def make(self) -> Task:
        return make_task(self.name)

    def loader(self, part: Part) -> Sequence[Row]:
        return in_memory(part)


class TestGSM8K(OnSmallData):
    name = "gsm8k"


class TestMATH(OnSmallData):
    name = "math"


class TestMBPP(OnSmallData):
    name = "mbpp"


class TestHumanEval(OnSmallData):
    name = "human_eval"


class TestCommonsenseQA(OnSmallData):
    name = "commonsense_qa"


class TestARCChallenge(OnSmallData):
    name = "arc_challenge"


class TestHellaSwag(OnSmallData):
    name = "hellaswag"


class TestOpenBookQA(OnSmallData):
    name = "openbook_qa"


class TestNaturalQuestions(OnSmallData):
    name = "natural_qa"


class TestTriviaQA(OnSmallData):
    name = "trivia_qa"


class TestSQuAD(OnSmallData):
    name = "squad"


class TestBoolQ(OnSmallData):
    name = "boolq"


class TestMMLU(OnSmallData):
    name = "mmlu"


class TestGPQA(OnSmallData):
    name = "gpqa"


def test_every_task_is_held_to_the_contract() -> None:
    assert {cls.name for cls in OnSmallData.__subclasses__()} == set(task_classes())
    assert len(task_classes()) == 14
