"""BoolQ: yes or no, from a passage."""

from fusion_agents.tasks.base import Question, Row, Task
from fusion_agents.tasks.options import INSTRUCTION, with_options
from fusion_agents.tasks.part import Part, Splits

_DATASET, _COLUMNS = "google/boolq", ("passage", "question", "answer")


class BoolQ(Task):
    """Questions that people typed, answered by yes or no out of a passage.

    They are asked as two options: a metric that looks for the word "true" anywhere in a response
    would credit a rejected answer too. Source: Clark et al. 2019 (arXiv 1905.10044).
    """

    name = "boolq"
    ability = "reading"
    metric = "multiple-choice"
    instruction = INSTRUCTION
    splits = Splits(
        train=(Part(_DATASET, None, "train", _COLUMNS),),
        test=(Part(_DATASET, None, "validation", _COLUMNS),),
    )

    def question(self, row: Row) -> Question:
        """Show the passage and ask."""
        if not isinstance(row["answer"], bool):
            raise TypeError(f"answer is {row['answer']!r}, neither true nor false")
        asked = row["question"].strip().rstrip("?")
        text = f"{row['passage'].strip()}\n\nQuestion: {asked}?"
        return with_options(text, ["yes", "no"], 0 if row["answer"] else 1)
