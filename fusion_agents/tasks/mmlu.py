"""MMLU: 57 subjects, four options."""

from fusion_agents.tasks.base import Question, Row, Task
from fusion_agents.tasks.options import INSTRUCTION, with_options
from fusion_agents.tasks.part import Part, Splits

_DATASET, _COLUMNS = "cais/mmlu", ("question", "choices", "answer")


class MMLU(Task):
    """Exam questions of 57 subjects.

    Train are the validation and dev splits: the same subjects as in test. `auxiliary_train` is
    larger, but a mixture of other sets (ARC, OpenBookQA, RACE, ...), so that a router would learn
    another task, and the train questions of other tasks again.
    Source: Hendrycks et al. 2021 (arXiv 2009.03300).
    """

    name = "mmlu"
    ability = "popular"
    metric = "multiple-choice"
    instruction = INSTRUCTION
    splits = Splits(
        train=(
            Part(_DATASET, "all", "validation", _COLUMNS),
            Part(_DATASET, "all", "dev", _COLUMNS),
        ),
        test=(Part(_DATASET, "all", "test", _COLUMNS),),
    )

    def question(self, row: Row) -> Question:
        """Ask the question with its options; the right one is given by its number."""
        return with_options(row["question"], row["choices"], row["answer"])
