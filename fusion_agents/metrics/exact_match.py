"""Whether the response is the right answer, word for word."""

from collections.abc import Sequence
from dataclasses import dataclass

from fusion_agents.metrics.base import Metric, Scored, golds
from fusion_agents.metrics.booleans import boolean_of, read_boolean
from fusion_agents.metrics.normalising import normalised
from fusion_agents.metrics.stated_text import stated_text
from fusion_agents.metrics.statements import visible
from fusion_agents.types import Query


@dataclass(kw_only=True)
class ExactMatch(Metric):
    """Score 1 if the stated answer, or else the whole response, is one of the right answers.

    Case, accents, articles, punctuation and spacing do not count. Where the right answer is yes,
    no, true or false, the stated one is read and `yes` means `true`. A right answer that has no
    word in it matches nothing. Source: SQuAD's exact match (arXiv 1606.05250), over all aliases.

    >>> query = Query(text="Who wrote Emma?", ground_truth=("Jane Austen", "Austen"))
    >>> ExactMatch().score("The answer is: Austen.", query)
    Scored(score=1.0, reason=None, answer='Austen')
    """

    name = "exact-match"

    def score(self, response: str, query: Query) -> Scored:
        """Compare the stated answer with every alias."""
        right = golds(query)
        text = visible(response)
        if (found := scored_at_once(text, right)) is not None:
            return found
        said = stated_text(text)
        matches = any(is_same(said, gold) for gold in right)
        return Scored(float(matches), None if matches else "another answer", said[:200])


def scored_at_once(text: str, right: Sequence[str]) -> Scored | None:
    """The score of nothing, and of a stated yes or no; none where words are to be compared."""
    if not text.strip():
        return Scored(0.0, "empty response")
    truth = boolean_of(right)
    return None if truth is None else _score_boolean(text, truth)


def _score_boolean(text: str, truth: bool) -> Scored:
    said = read_boolean(text)
    if said is None:
        return Scored(0.0, "no stated answer")
    matches = said == truth
    return Scored(float(matches), None if matches else "another answer", "yes" if said else "no")


def is_same(said: str, gold: str) -> bool:
    """Compare words; articles count where a right answer is nothing but one (the letter A)."""
    articles = not normalised(gold)
    right = normalised(gold, articles=articles)
    return bool(right) and normalised(said, articles=articles) == right
