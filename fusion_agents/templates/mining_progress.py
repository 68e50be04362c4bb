"""How far mining has come, and what came of it."""

from collections import Counter
from dataclasses import dataclass, field

from fusion_agents.templates.gathering import Gathering
from fusion_agents.types import Dollars


@dataclass(kw_only=True)
class MiningProgress:
    """Counts what happens to templates; the same object from the beginning to the end."""

    planned: int = 0
    """Templates to ask for."""
    written: int = 0
    """Templates that are in the store."""
    rejected: int = 0
    """Turned down twice; they are not asked for again."""
    failed: int = 0
    """The summariser gave no answer; they are asked for again by the next run."""
    in_flight: int = 0
    calls: int = 0
    """Requests to the summariser that ended."""
    asked_again: int = 0
    """Templates that were turned down once."""
    spent: Dollars = 0.0
    """In this run."""
    spent_before: Dollars = 0.0
    """By earlier runs on this log, with what calls that were cut off may have cost."""
    rejections: Counter[str] = field(default_factory=Counter)
    """By what was wrong, of those that were turned down twice."""
    first_rejections: Counter[str] = field(default_factory=Counter)
    """By what was wrong, of those that were turned down once."""
    errors: Counter[str] = field(default_factory=Counter)
    """Failures, by their class."""
    reasons: dict[str, str] = field(default_factory=dict)
    """For each such class, the first reason in words."""

    @property
    def done(self) -> int:
        """Templates that nothing is left to do about in this run."""
        return self.written + self.rejected + self.failed


@dataclass(frozen=True, kw_only=True)
class MiningSummary:
    """What came of a run."""

    progress: MiningProgress
    questions: int
    """Questions with right answers, near-duplicates counted once."""
    known: int
    """Templates that earlier runs have settled."""
    held_out: int
    """Questions of another split, and their near-duplicates: they are never learned from."""
    all_wrong: int
    """Questions that nobody answered right."""
    unknown: int
    """Questions of none of whose answers it is known whether it is right."""
    suspicious: int
    """Questions that look like an attempt to command whoever reads them."""
    merged: int = 0
    """Templates that say what another says, and were merged into it."""
    stopped: str | None = None
    """Why some are left: `interrupted`, `budget`, `failing` (the summariser gave no answer many
    times in a row); none if none are left."""

    @property
    def complete(self) -> bool:
        """Whether every template that was meant was asked for."""
        return self.stopped is None


def summary_of(
    gathered: Gathering, progress: MiningProgress, known: int, merged: int, stopped: str | None
) -> MiningSummary:
    """Sum up a run."""
    return MiningSummary(
        progress=progress,
        questions=len(gathered.groups),
        known=known,
        held_out=gathered.held_out,
        all_wrong=gathered.all_wrong,
        unknown=gathered.unknown,
        suspicious=gathered.suspicious,
        merged=merged,
        stopped=stopped,
    )
