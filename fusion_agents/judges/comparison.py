"""One answer beside one other, asked in both orders."""

from collections.abc import Sequence
from typing import NamedTuple

from fusion_agents.judges.asking import Said, total_cost, total_usage
from fusion_agents.judges.base import Verdict

FIRST = {"first": 1.0, "second": 0.0, "tie": 0.5}
"""What the answer that was shown first gets, by the winner that is named."""


class Comparison(NamedTuple):
    """What came of both orders."""

    orders: tuple[float | None, float | None]
    """What the answer got shown first, and shown second: 1 won, 0.5 tied, 0 lost; none failed."""
    said: tuple[Said, ...] = ()
    """The model's words; empty for two equal texts, for which it is not asked."""

    @property
    def score(self) -> float | None:
        """What both orders say; a tie where they do not agree, none if one failed."""
        first, second = self.orders
        if first is None or second is None:
            return None
        return first if first == second else 0.5

    @property
    def agreed(self) -> bool | None:
        """Whether the order made no difference; none if one failed."""
        first, second = self.orders
        return None if first is None or second is None else first == second


def compared(one: Said, other: Said) -> Comparison:
    """Read both verdicts; in the other one, the rival was shown first."""
    shown_first, rival_first = _won(one), _won(other)
    shown_second = None if rival_first is None else 1.0 - rival_first
    return Comparison((shown_first, shown_second), (one, other))


def verdict_of(comparisons: Sequence[Comparison]) -> Verdict:
    """The mean over the rivals that could be compared with."""
    said = [one for comparison in comparisons for one in comparison.said]
    usage, cost = total_usage([one.usage for one in said]), total_cost([one.cost for one in said])
    scores = [score for one in comparisons if (score := one.score) is not None]
    if not scores:
        error = next((one.error for one in said if one.error), None) or "invalid"
        why = next((one.reason for one in said if one.reason), None) or "no winner was named"
        return Verdict(score=None, reason=why, error=error, usage=usage, cost=cost)
    return Verdict(
        score=sum(scores) / len(scores), reason=_story(comparisons), usage=usage, cost=cost
    )


def _won(said: Said) -> float | None:
    """What the answer shown first got."""
    winner = (said.fields or {}).get("winner")
    return FIRST.get(winner) if isinstance(winner, str) else None


def _story(comparisons: Sequence[Comparison]) -> str:
    scores = [comparison.score for comparison in comparisons]
    swapped = sum(comparison.agreed is False for comparison in comparisons)
    words = next((one.words for c in comparisons for one in c.said if one.words), "")
    counts = f"won {scores.count(1.0)}, tied {scores.count(0.5)}, lost {scores.count(0.0)}"
    unsure = f", {swapped} of the ties because the order mattered" if swapped else ""
    failed = f", {scores.count(None)} not compared" if None in scores else ""
    return f"{counts}{unsure}{failed}" + (f": {words}" if words else "")
