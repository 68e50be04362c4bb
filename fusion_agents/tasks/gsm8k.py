"""GSM8K: grade-school word problems."""

from fusion_agents.tasks.base import Question, Row, Task
from fusion_agents.tasks.part import Part, Splits

_COLUMNS = ("question", "answer")


class GSM8K(Task):
    """Word problems that take a few steps of arithmetic; the answer is one number.

    Source: Cobbe et al. 2021 (arXiv 2110.14168).
    """

    name = "gsm8k"
    ability = "mathematics"
    metric = "number"
    instruction = 'End with the line "Answer: X", X being a number.'
    splits = Splits(
        train=(Part("openai/gsm8k", "main", "train", _COLUMNS),),
        test=(Part("openai/gsm8k", "main", "test", _COLUMNS),),
    )

    def question(self, row: Row) -> Question | None:
        """Ask the problem; the right number stands behind `####`."""
        _, marked, number = row["answer"].rpartition("####")
        return Question(row["question"].strip(), number.strip()) if marked else None
