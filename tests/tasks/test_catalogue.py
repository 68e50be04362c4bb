import pytest

from fusion_agents.errors import ConfigError
from fusion_agents.tasks import make_task, task_classes
from fusion_agents.tasks.catalogue import OTHER_NAMES


def test_the_fourteen_are_called_as_in_published_logs() -> None:
    assert list(task_classes()) == [
        "arc_challenge", "boolq", "commonsense_qa", "gpqa", "gsm8k", "hellaswag", "human_eval",
        "math", "mbpp", "mmlu", "natural_qa", "openbook_qa", "squad", "trivia_qa",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["arc-challenge", "ARC_Challenge", " arc challenge"])
def test_hyphens_and_case_are_understood(name: str) -> None:
    assert make_task(name).name == "arc_challenge"


def test_other_usual_names_lead_to_tasks_and_hide_none() -> None:
    for other, name in OTHER_NAMES.items():
        assert make_task(other).name == name
        assert other not in task_classes()


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="unknown task 'gsm': use one of arc_challenge, boolq"):
        make_task("gsm")
