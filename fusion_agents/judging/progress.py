"""How far judging has come, and what came of it."""

from collections import Counter
from dataclasses import dataclass, field

from fusion_agents.judging.canaries import Miss
from fusion_agents.types import Dollars


@dataclass(kw_only=True)
class JudgeProgress:
    """Counts what happens to answers; the same object from the beginning to the end."""

    planned: int | None = None
    """Answers that are to be judged; none if that is not known beforehand."""
    scored: int = 0
    """Answers whose score is in the log."""
    failed: int = 0
    """Answers of which the judge gave no score; they are tried again by the next run."""
    refused: int = 0
    """Answers that this judge will not judge."""
    dropped: int = 0
    """Verdicts of a batch whose canaries were wrong: they are not in the log."""
    in_flight: int = 0
    spent: Dollars = 0.0
    """In this run, canaries included."""
    spent_before: Dollars = 0.0
    """On verdicts of this judge that were in the log before; known where there is a budget."""
    canaries: int = 0
    """Canaries that the judge gave a score."""
    canaries_right: int = 0
    misses: list[Miss] = field(default_factory=list)
    """Canaries that it got wrong, the first few."""
    errors: Counter[str] = field(default_factory=Counter)
    """Verdicts without a score, by the class of their fault."""
    reasons: dict[str, str] = field(default_factory=dict)
    """For each such class, and for what was refused, the first reason in words."""

    @property
    def done(self) -> int:
        """Answers that nothing is left to do about in this run."""
        return self.scored + self.failed + self.refused + self.dropped


@dataclass(frozen=True, kw_only=True)
class JudgeSummary:
    """What came of a run."""

    progress: JudgeProgress
    judge: str
    judge_version: str
    stopped: str | None = None
    """Why answers are left: `interrupted`, `budget`, `canaries` (the judge got known answers
    wrong), `failing` (it gave no verdict on most canaries); none if none are left."""

    @property
    def complete(self) -> bool:
        """Whether every answer that was meant has a verdict, or failed to get one."""
        return self.stopped is None
