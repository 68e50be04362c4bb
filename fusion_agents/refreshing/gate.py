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

    It takes over if, over all queries that can tell, its estimated utility is at most `margin`
    below the champion's, and if on the recent ones, which the champion never learned from, it is
    not significantly below (the 90 % interval reaches 0). Where fewer than `enough` queries can
    tell, nothing is promoted. How the rule was chosen: `docs/design/closed-loop.md`.
    """

    margin: float = Field(default=0.005, ge=0)
    """Loss in utility a query that is put up with, as it may be noise."""
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
        if everywhere.mean < -self.margin:
            return Ruling(False, f"worse than the current version: {everywhere}")
        if recent is not None and recent.high < 0:
            return Ruling(False, f"worse on queries that are new to both: {recent}")
        return Ruling(True, f"not worse than the current version: {everywhere}")
