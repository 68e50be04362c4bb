"""Natural Questions: what people asked a search engine, answered without sources."""

from fusion_agents.tasks.answers import distinct
from fusion_agents.tasks.base import Question, Row, Task
from fusion_agents.tasks.part import Part, Splits

_DATASET, _COLUMNS = "google-research-datasets/nq_open", ("question", "answer")


class NaturalQuestions(Task):
    """Short factual questions of the open-domain version, closed book; every answer counts.

    Its validation questions are what the literature calls the test set. Source: Kwiatkowski et
    al. 2019 (TACL 7), Lee et al. 2019 (arXiv 1906.00300).
    """

    name = "natural_qa"
    ability = "world knowledge"
    metric = "f1"
    instruction = 'End with the line "Answer: X", X being a few words.'
    splits = Splits(
        train=(Part(_DATASET, "nq_open", "train", _COLUMNS),),
        test=(Part(_DATASET, "nq_open", "validation", _COLUMNS),),
    )

    def question(self, row: Row) -> Question | None:
        """Ask the question as it was typed."""
        answers = distinct(row["answer"])
        return Question(row["question"].strip(), answers) if answers else None
