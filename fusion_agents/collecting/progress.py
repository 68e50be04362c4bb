"""How far a collection has come, and what came of it."""

from collections import Counter
from dataclasses import dataclass, field

from fusion_agents.stores.ledger import Scoring
from fusion_agents.types import Dollars


@dataclass(kw_only=True)
class CollectProgress:
    """Counts what happens to planned calls; the same object from the beginning to the end."""

    planned: int | None = None
    """Calls that there are; none if the number of queries is not known beforehand."""
    answered: int = 0
    """In this run."""
    answered_before: int = 0
    failed: int = 0
    """In this run, after all attempts."""
    failed_before: int = 0
    """Ended in an error in an earlier run and are not tried again."""
    repeated: int = 0
    """The same as another planned call: a query that is given twice is asked once."""
    refused: int = 0
    """Could not be stored, or were answered by somebody else meanwhile."""
    scored: int = 0
    unscored: int = 0
    """Answers that their metric could not score; they are tried again the next time."""
    estimated: int = 0
    """Answers whose cost is an estimate."""
    in_flight: int = 0
    spent: Dollars = 0.0
    """In this run."""
    spent_before: Dollars = 0.0
    """In earlier runs on this log, with what calls that were cut off may have cost."""
    errors: Counter[str] = field(default_factory=Counter)
    """Failed calls by the class of their last fault."""
    reasons: dict[str, str] = field(default_factory=dict)
    """For each such class, and for what was refused or not scored, the first reason in words."""
    given_up: dict[str, str] = field(default_factory=dict)
    """Models that were not asked any more, and why."""
    limits: dict[str, int] = field(default_factory=dict)
    """Calls that each model is made at a time."""

    @property
    def done(self) -> int:
        """Planned calls that nothing is left to do about."""
        ended = self.answered + self.answered_before + self.failed + self.failed_before
        return ended + self.repeated + self.refused

    def count_score(self, scoring: Scoring) -> None:
        """Take note of what a metric said."""
        if scoring.score is None:
            self.unscored += 1
            self.reasons.setdefault(f"unscored ({scoring.metric})", scoring.reason or "")
        else:
            self.scored += 1


@dataclass(frozen=True, kw_only=True)
class CollectSummary:
    """What came of a run."""

    progress: CollectProgress
    stopped: str | None = None
    """Why calls are left that could have been made (`interrupted`, `budget`); none if there are
    none but those of models that were given up."""
    cut_off: int = 0
    """Attempts of all runs on this log that never ended: they may have been paid for in vain."""

    @property
    def complete(self) -> bool:
        """Whether each planned call has an answer or an error."""
        return self.stopped is None and not self.progress.given_up
