"""TriviaQA: quiz questions, answered without sources."""

from fusion_agents.tasks.answers import distinct
from fusion_agents.tasks.base import Question, Row, Task
from fusion_agents.tasks.part import Part, Splits

_DATASET, _COLUMNS = "mandarjoshi/trivia_qa", ("question", "answer")


class TriviaQA(Task):
    """Questions by trivia enthusiasts, closed book; every alias of the answer counts.

    The published test split has no answers, and a question that has evidence on the web and in
    Wikipedia is listed twice but drawn once. Source: Joshi et al. 2017 (arXiv 1705.03551).
    """

    name = "trivia_qa"
    ability = "world knowledge"
    metric = "f1"
    instruction = 'End with the line "Answer: X", X being a few words.'
    splits = Splits(
        train=(Part(_DATASET, "rc.nocontext", "train", _COLUMNS),),
        test=(Part(_DATASET, "rc.nocontext", "validation", _COLUMNS),),
    )

    def question(self, row: Row) -> Question | None:
        """Ask the question; its answer comes first and then all of its aliases."""
        given = row["answer"]
        plain = (given["normalized_value"], *given["normalized_aliases"])
        answers = distinct((given["value"], *given["aliases"], *plain))
        return Question(row["question"].strip(), answers) if answers else None
