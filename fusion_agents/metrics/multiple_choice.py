"""Whether the stated choice is the right one."""

from dataclasses import dataclass

from fusion_agents.errors import DataError
from fusion_agents.metrics.base import Metric, Scored, golds
from fusion_agents.metrics.choices import NONE, SEVERAL, read_choice
from fusion_agents.metrics.options import read_options
from fusion_agents.metrics.statements import visible
from fusion_agents.types import Query


@dataclass(kw_only=True)
class MultipleChoice(Metric):
    r"""Score 1 if the response states the right letter or digit as its answer.

    Read are "(B)", "b)", "**B**", "B. Paris", "the answer is B", `\boxed{B}`, `{"answer": "B"}`
    and an option's own words in a stated answer. The last stated answer counts; without one, a
    first or last line that is nothing but a choice. A letter inside a sentence is no answer (as
    in the article "A"), nor are several ("A or B") or a hedge. What a model goes on to ask
    itself after its answer is not read.

    The ground truth is the label; the options stand in the query's text. Source: FusionBench's
    `em_mc`, which reads "(B)" alone, and that anywhere.

    >>> metric = MultipleChoice()
    >>> query = Query(text="Which is blue?\nA) Grass\nB) The sky", ground_truth="B")
    >>> metric.score("A quick thought: the answer is **B**.", query)
    Scored(score=1.0, reason=None, answer='B')
    >>> metric.score("It could be A or B.", query)
    Scored(score=0.0, reason='no stated answer', answer=None)
    """

    name = "multiple-choice"

    def score(self, response: str, query: Query) -> Scored:
        """Compare the stated choice with the right label."""
        right = {label(gold) for gold in golds(query)} - {""}
        if not right:
            raise DataError(f"the ground truth of query {query.id!r} is not a letter or number")
        options = read_options(query.text)
        if options and not {r.isdigit() for r in right} & {one.isdigit() for one in options}:
            raise DataError(
                f"the ground truth of query {query.id!r} is {'/'.join(sorted(right))}, "
                f"and its options are labelled {', '.join(options)}"
            )
        text = visible(response)
        if not text.strip():
            return Scored(0.0, "empty response")
        choice = read_choice(text, query.text, options, frozenset(right))
        if choice in (NONE, SEVERAL):
            return Scored(0.0, choice)
        return Scored(float(choice in right), None if choice in right else "wrong choice", choice)


def label(gold: str) -> str:
    """Reduce `(b)`, `B.` or `B` to `B`; empty where it is no label."""
    bare = gold.strip().strip("()[].: ").upper()
    return bare if (len(bare) == 1 and bare.isalpha()) or bare.isdecimal() else ""
