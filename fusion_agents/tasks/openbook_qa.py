"""OpenBookQA: elementary science without the book."""

from fusion_agents.tasks.base import Question, Row, Task
from fusion_agents.tasks.options import INSTRUCTION, with_labels
from fusion_agents.tasks.part import Part, Splits

_COLUMNS = ("question_stem", "choices", "answerKey")


class OpenBookQA(Task):
    """Questions that combine a fact of elementary science with common knowledge.

    Source: Mihaylov et al. 2018 (arXiv 1809.02789).
    """

    name = "openbook_qa"
    ability = "commonsense"
    metric = "multiple-choice"
    instruction = INSTRUCTION
    splits = Splits(
        train=(Part("allenai/openbookqa", "main", "train", _COLUMNS),),
        test=(Part("allenai/openbookqa", "main", "test", _COLUMNS),),
    )

    def question(self, row: Row) -> Question | None:
        """Ask the question with its options."""
        return with_labels(row["question_stem"], row["choices"], row["answerKey"])
