"""How many of the asked-for words the response uses."""

import re
from dataclasses import dataclass

from fusion_agents.errors import DataError
from fusion_agents.metrics.base import Metric, Scored, golds
from fusion_agents.metrics.normalising import normalised
from fusion_agents.metrics.statements import visible
from fusion_agents.types import Query


@dataclass(kw_only=True)
class Coverage(Metric):
    """Score the share of the given words that the response uses, in any regular inflection.

    The ground truth is the words, separated by commas or as several strings. Irregular forms
    (`caught` for `catch`) are not recognised. Source: CommonGen (arXiv 1911.03705), coverage of
    concepts.

    >>> query = Query(text="Use: dog, chase, ball", ground_truth="dog, chase, ball")
    >>> Coverage().score("Two dogs were chasing a cat.", query).score
    0.6666666666666666
    """

    name = "coverage"

    def score(self, response: str, query: Query) -> Scored:
        """Count the words that are used."""
        sought = {normalised(word) for gold in golds(query) for word in gold.split(",")} - {""}
        if not sought:
            raise DataError(f"the ground truth of query {query.id!r} has no word to look for")
        text = visible(response)
        if not text.strip():
            return Scored(0.0, "empty response")
        stems = _stems(normalised(text))
        missing = sorted(w for w in sought if f" {_stems(w)} " not in f" {stems} ")
        share = (len(sought) - len(missing)) / len(sought)
        return Scored(share, f"missing: {', '.join(missing)}" if missing else None)


_ENDING = re.compile(r"(?<=\w\w)(?:ings?|ed|es|s|ers?)$")
_LAST = re.compile(r"(?<=\w\w)[eyi]$")
_DOUBLED = re.compile(r"([bdfglmnprt])\1$")


def _stem(word: str) -> str:
    return _LAST.sub("", _DOUBLED.sub(r"\1", _ENDING.sub("", word)))


def _stems(words: str) -> str:
    listed = words.split()
    stems = {word: _stem(word) for word in set(listed)}
    return " ".join(stems[word] for word in listed)
