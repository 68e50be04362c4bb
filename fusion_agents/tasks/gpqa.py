"""GPQA: graduate-level science that a search engine does not answer."""

from fusion_agents.tasks.base import Question, Row, Task
from fusion_agents.tasks.options import INSTRUCTION, with_options
from fusion_agents.tasks.part import Part, Splits
from fusion_agents.tasks.sampling import shuffled

_RIGHT = "Correct Answer"
_WRONG = ("Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3")
_PART = Part("Idavidrein/gpqa", "gpqa_main", "train", ("Question", _RIGHT, *_WRONG))


class GPQA(Task):
    """448 questions by experts in biology, physics and chemistry.

    The dataset is gated, and its authors ask that no example of it be shown in public. It lists
    the right answer first, so the options are put in an order that is drawn from the question's
    own text: every run asks the same. It has one split, of which a quarter is test here.
    Source: Rein et al. 2023 (arXiv 2311.12022).
    """

    name = "gpqa"
    ability = "popular"
    metric = "multiple-choice"
    instruction = INSTRUCTION
    splits = Splits(train=(_PART,), test=(_PART,))
    test_share = 0.25

    def question(self, row: Row) -> Question:
        """Ask the question with its options in an order of its own."""
        text, columns = row["Question"].strip(), (_RIGHT, *_WRONG)
        order = shuffled(len(columns), self.name, text)
        options = [row[columns[i]].strip() for i in order]
        return with_options(text, options, order.index(0), gist=text)
