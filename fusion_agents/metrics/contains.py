"""Whether the right answer's words stand in the response."""

import re
from dataclasses import dataclass

from fusion_agents.metrics.base import Metric, Scored, golds
from fusion_agents.metrics.exact_match import is_same, scored_at_once
from fusion_agents.metrics.normalising import normalised
from fusion_agents.metrics.stated_text import stated_text
from fusion_agents.metrics.statements import visible
from fusion_agents.types import Query


@dataclass(kw_only=True)
class Contains(Metric):
    """Score 1 if one of the right answers stands in the response, as whole words in a row.

    Case, accents, articles, punctuation and spacing do not count. Where the right answer is yes,
    no, true or false, only the stated answer is read; so it is where it is a mere article (the
    letter A). What comes right after a "not" does not count, and a right answer without a word
    is never contained. It still rewards long answers that name many things; where the form of
    the answer is asked for, exact match is the stricter choice. Source: FusionBench's `cem`,
    which takes parts of words too.

    >>> query = Query(text="How many moons has Mars?", ground_truth="2")
    >>> Contains().score("In 2021 it had 12.", query).score, Contains().score("It has 2.", query)
    (0.0, Scored(score=1.0, reason=None, answer='2'))
    """

    name = "contains"

    def score(self, response: str, query: Query) -> Scored:
        """Look for every alias."""
        right = golds(query)
        text = visible(response)
        if (found := scored_at_once(text, right)) is not None:
            return found
        words = f" {normalised(text)} "
        for gold in right:
            sought = normalised(gold)
            if _stands(f" {sought} ", words) if sought else is_same(stated_text(text), gold):
                return Scored(1.0, None, gold)
        return Scored(0.0, "no right answer in the response")


_DENIED = re.compile(r"\b(?:not|never|nor|cannot|isnt|wasnt|arent|werent)$")


def _stands(sought: str, words: str) -> bool:
    """Whether words stand somewhere without a "not" right before them."""
    at = words.find(sought)
    while at >= 0:
        if not _DENIED.search(words[max(0, at - 10) : at]):
            return True
        at = words.find(sought, at + 1)
    return False
