"""HellaSwag: how does a scene go on?"""

import re

from fusion_agents.tasks.base import Question, Row, Task
from fusion_agents.tasks.options import INSTRUCTION, with_options
from fusion_agents.tasks.part import Part, Splits

_MARKS = re.compile(r"\[(?:title|header|step|substeps)\]")
_COLUMNS = ("activity_label", "ctx", "endings", "label")


class HellaSwag(Task):
    """Endings of scenes and of how-to articles; the published test split has no answers.

    Source: Zellers et al. 2019 (arXiv 1905.07830).
    """

    name = "hellaswag"
    ability = "commonsense"
    metric = "multiple-choice"
    instruction = INSTRUCTION
    splits = Splits(
        train=(Part("Rowan/hellaswag", None, "train", _COLUMNS),),
        test=(Part("Rowan/hellaswag", None, "validation", _COLUMNS),),
    )

    def question(self, row: Row) -> Question | None:
        """Tell the beginning and give the endings; the same beginning is the same question."""
        if not str(row["label"]).strip():
            return None
        scene = f"{row['activity_label']}: {_clean(row['ctx'])}"
        endings = [_clean(ending) for ending in row["endings"]]
        text = f"How does this go on?\n\n{scene}"
        return with_options(text, endings, int(row["label"]), gist=scene)


def _clean(text: str) -> str:
    """Take out the marks that are left from how-to articles.

    >>> _clean("[header] How to whistle [title] Wet your lips. [step] Do so  now.")
    'How to whistle Wet your lips. Do so now.'
    """
    return " ".join(_MARKS.sub(" ", text).split())
