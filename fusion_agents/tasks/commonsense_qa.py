"""CommonsenseQA: everyday knowledge, five options."""

from fusion_agents.tasks.base import Question, Row, Task
from fusion_agents.tasks.options import INSTRUCTION, with_labels
from fusion_agents.tasks.part import Part, Splits

_COLUMNS = ("question", "choices", "answerKey")


class CommonsenseQA(Task):
    """Questions about everyday concepts; the published test split has no answers.

    Source: Talmor et al. 2019 (arXiv 1811.00937).
    """

    name = "commonsense_qa"
    ability = "commonsense"
    metric = "multiple-choice"
    instruction = INSTRUCTION
    splits = Splits(
        train=(Part("tau/commonsense_qa", None, "train", _COLUMNS),),
        test=(Part("tau/commonsense_qa", None, "validation", _COLUMNS),),
    )

    def question(self, row: Row) -> Question | None:
        """Ask the question with its options."""
        return with_labels(row["question"], row["choices"], row["answerKey"])
