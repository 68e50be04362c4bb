"""ARC-Challenge: grade-school science."""

from fusion_agents.tasks.base import Question, Row, Task
from fusion_agents.tasks.options import INSTRUCTION, with_labels
from fusion_agents.tasks.part import Part, Splits

_COLUMNS = ("question", "choices", "answerKey")


class ARCChallenge(Task):
    """Science questions that simple methods get wrong; three to five options.

    Source: Clark et al. 2018 (arXiv 1803.05457).
    """

    name = "arc_challenge"
    ability = "commonsense"
    metric = "multiple-choice"
    instruction = INSTRUCTION
    splits = Splits(
        train=(Part("allenai/ai2_arc", "ARC-Challenge", "train", _COLUMNS),),
        test=(Part("allenai/ai2_arc", "ARC-Challenge", "test", _COLUMNS),),
    )

    def question(self, row: Row) -> Question | None:
        """Ask the question with its options; labels such as 1 to 4 become letters."""
        return with_labels(row["question"], row["choices"], row["answerKey"])
