"""SQuAD: answers that stand in a passage."""

from fusion_agents.tasks.answers import distinct
from fusion_agents.tasks.base import Question, Row, Task
from fusion_agents.tasks.part import Part, Splits

_DATASET, _COLUMNS = "rajpurkar/squad", ("context", "question", "answers")


class SQuAD(Task):
    """Questions about a passage of Wikipedia (version 1.1); the answer is a span of it.

    The published test split is not public. Source: Rajpurkar et al. 2016 (arXiv 1606.05250).
    """

    name = "squad"
    ability = "reading"
    metric = "f1"
    instruction = 'End with the line "Answer: X", X being words of the passage.'
    splits = Splits(
        train=(Part(_DATASET, "plain_text", "train", _COLUMNS),),
        test=(Part(_DATASET, "plain_text", "validation", _COLUMNS),),
    )

    def question(self, row: Row) -> Question | None:
        """Show the passage and ask; every annotator's answer counts."""
        answers = distinct(row["answers"]["text"])
        text = f"{row['context'].strip()}\n\nQuestion: {row['question'].strip()}"
        return Question(text, answers) if answers else None
