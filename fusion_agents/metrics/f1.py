"""How many words the response shares with the right answer."""

from collections import Counter
from dataclasses import dataclass

from fusion_agents.metrics.base import Metric, Scored, golds
from fusion_agents.metrics.exact_match import is_same, scored_at_once
from fusion_agents.metrics.normalising import normalised
from fusion_agents.metrics.stated_text import stated_text
from fusion_agents.metrics.statements import visible
from fusion_agents.types import Query


@dataclass(kw_only=True)
class TokenF1(Metric):
    """Score the harmonic mean of precision and recall over words, of the alias that fits best.

    Compared is the stated answer, or else the whole response; case, accents, articles and
    punctuation do not count. Where the right answer is yes, no, true or false, the stated one
    scores 1 or 0. Source: SQuAD's F1 (arXiv 1606.05250), over all aliases.

    >>> query = Query(text="Who wrote Emma?", ground_truth=("Jane Austen", "Austen"))
    >>> TokenF1().score("Miss Austen", query).score
    0.6666666666666666
    """

    name = "f1"

    def score(self, response: str, query: Query) -> Scored:
        """Compare the stated answer with every alias, and keep the best."""
        right = golds(query)
        text = visible(response)
        if (found := scored_at_once(text, right)) is not None:
            return found
        said = stated_text(text)
        words = Counter(normalised(said).split())
        best = max(
            float(is_same(said, gold)) or _overlap(words, Counter(normalised(gold).split()))
            for gold in right
        )
        return Scored(best, None if best else "no word in common", said[:200])


def _overlap(said: Counter[str], right: Counter[str]) -> float:
    both = (said & right).total()
    return 2 * both / (said.total() + right.total()) if both else 0.0
