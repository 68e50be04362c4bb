"""Who may take over: the rule between champion and challenger."""

from typing import NamedTuple

from pydantic import Field

from fusion_agents.refreshing.comparison import Comparison
from fusion_agents.types import Noun


class Ruling(NamedTuple):
    """Whether the challenger takes over, and why."""

    promoted: bool
    reason: str


class Gate(Noun):
    """Lets a challenger take over if it is not worse on what the log can tell.

    It takes over if, over all queries that can tell, it is with 95 % confidence at most `margin`
    below the champion (the lower end of the two-sided 90 % interval), or if its estimate is at
    least `gain` above; and if on the recent ones, which the champion never learned from, it is
    not significantly below (the interval reaches 0). Where fewer than `enough` queries can tell,
    nothing is promoted. How the rule was chosen: `docs/design/closed-loop.md`.
    """

    margin: float = Field(default=0.01, ge=0)
    """Largest loss in utility a query that the evidence may leave open."""
    gain: float = Field(default=0.0, ge=0)
    """Estimated gain with which a challenger takes over although little is certain yet."""
    enough: int = Field(default=50, ge=1)
    """Queries that must be able to tell."""

    def rule(self, comparison: Comparison) -> Ruling:
        """Decide."""
        everywhere, recent = comparison.everywhere, comparison.recent
        if everywhere is None or everywhere.n_queries < self.enough:
            n = 0 if everywhere is None else everywhere.n_queries
            return Ruling(
                False,
                f"only {n} queries can tell the two apart, {self.enough} are needed: collect "
                "several arms' answers, or turn exploration on",
            )
        if everywhere.high < 0:
            return Ruling(False, f"worse than the current version: {everywhere}")
        if everywhere.low < -self.margin and everywhere.mean < self.gain:
            return Ruling(False, f"perhaps worse than the current version: {everywhere}")
        if recent is not None and recent.high < 0:
            return Ruling(False, f"worse on queries that are new to both: {recent}")
        return Ruling(True, f"not worse than the current version: {everywhere}")
