"""MATH: problems of mathematics competitions."""

from fusion_agents.tasks.base import Question, Row, Task
from fusion_agents.tasks.part import Part, Splits

_AREAS = (
    *("algebra", "counting_and_probability", "geometry", "intermediate_algebra"),
    *("number_theory", "prealgebra", "precalculus"),
)
_BOXES = ("\\boxed", "\\fbox")


def _parts(split: str) -> tuple[Part, ...]:
    columns = ("problem", "solution")
    return tuple(Part("EleutherAI/hendrycks_math", area, split, columns) for area in _AREAS)


class MATH(Task):
    """Problems of seven areas of competition mathematics, drawn without regard to the area.

    Source: Hendrycks et al. 2021 (arXiv 2103.03874).
    """

    name = "math"
    ability = "mathematics"
    metric = "math"
    instruction = "Put the final answer in \\boxed{}."
    splits = Splits(train=_parts("train"), test=_parts("test"))

    def question(self, row: Row) -> Question | None:
        """Ask the problem; the right answer is in the last box of the solution."""
        answer = boxed(row["solution"])
        return Question(row["problem"].strip(), answer) if answer else None


def boxed(solution: str) -> str:
    r"""Take what stands in the last box; empty if there is none.

    >>> boxed(r"So $x = 2$ or $\boxed{\frac{1}{2}}$."), boxed(r"It is $\boxed 7$.")
    ('\\frac{1}{2}', '7')
    """
    start, box = max((solution.rfind(box), box) for box in _BOXES)
    if start < 0:
        return ""
    inside = solution[start + len(box) :].lstrip()
    if not inside.startswith("{"):
        return inside[:1]
    depth = 0
    for place, sign in enumerate(inside):
        escaped = place > 0 and inside[place - 1] == "\\"
        depth += 0 if escaped else (sign == "{") - (sign == "}")
        if depth == 0:
            return inside[1:place].strip()
    return ""
