"""What a router may learn from a log: which scores count, and how many from whom.

A measured performance always counts. An answer without one gets what its judge's score is worth,
where that was calibrated. Names are trusted, limited or suspended: of a limited source or tenant
no more than a share of all scores counts, so that nobody who can write to the log can outvote
the rest of it.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from fusion_agents.outcomes import Outcomes
from fusion_agents.types import Calibration, Noun

Trustee = Literal["source", "tenant"]
Level = Literal["trusted", "limited", "suspended"]
Trust = Mapping[tuple[Trustee, str], Level]
"""Levels that somebody has set, by kind and name."""

FEEDBACK = "feedback"
"""Name of the judge whose verdicts are what users said."""

Share = Annotated[float, Field(ge=0.0, le=1.0)]


class TrainingPolicy(Noun):
    """Which scores of a log count when a router learns.

    Unless a level is set, sources are trusted but for those of users' feedback, which are limited;
    so are all tenants but `default`.
    """

    calibrated: bool = True
    """Whether the scores of calibrated judges count where no performance was measured."""
    judges: tuple[str, ...] | None = None
    """Only these judges' scores count; none for all."""
    max_source_share: Share = 0.2
    """Largest part of the scores that one limited source may have."""
    max_tenant_share: Share = 0.5
    """Largest part of the scores that one limited tenant may have."""
    enough: int = Field(default=50, ge=0)
    """Caps that would leave fewer scores than this are loosened; see `allowance`."""
    seed: int = 0
    """Of the draw of those that are left out."""


class Contribution(Noun):
    """What one source or tenant gave, and how much of it counts."""

    kind: Trustee
    name: str
    gave: Literal["entries", "judgements"]
    """Log entries, or scores by its judgements alone."""
    level: Level
    scored: int
    """Scores that it gave."""
    left_out: int
    """Those that do not count: of what is suspended, all; some for their other name's sake."""


class TrainingReport(Noun):
    """What training outcomes were made of."""

    entries: int
    """Log entries that count."""
    measured: int
    """Answers among them with a measured performance."""
    calibrated: int
    """Answers whose performance is what a judge's score is worth."""
    judges: dict[str, int]
    """The same by judge and version, written `judge:version`."""
    contributions: tuple[Contribution, ...]
    """By kind and name."""

    @property
    def left_out(self) -> int:
        """Scores that do not count because of their source or tenant."""
        return sum(one.left_out for one in self.contributions if one.kind == "source")

    def sentences(self) -> list[str]:
        """What to tell a user: nothing where everything in the log counts as it is."""
        said = []
        if self.calibrated:
            by = ", ".join(f"{name} ({n:,})" for name, n in sorted(self.judges.items()))
            said.append(f"{self.calibrated:,} scores are calibrated judgements: {by}")
        for one in self.contributions:
            if one.level == "suspended":
                said.append(f"{one.kind} {one.name!r} is suspended: its {one.gave} do not count")
            elif one.level == "limited" and one.left_out:
                said.append(
                    f"{one.kind} {one.name!r} is limited: {one.left_out:,} of {one.scored:,} "
                    f"scores by its {one.gave} do not count"
                )
        return said


class TrainingSet(NamedTuple):
    """What a router may learn from, and what that is made of."""

    outcomes: Outcomes
    report: TrainingReport


class Verdicts(NamedTuple):
    """The judgements of one entry that count."""

    score: float
    """By the newest, of a trusted source where there is one."""
    limited_by: str | None
    """Its source, if that is limited."""
    performance: float | None = None
    """What the newest calibrated score is worth, of a trusted source where there is one."""
    worth_limited_by: str | None = None
    """The source of that, if it is limited."""
    judge: str = ""
    """Who gave that, written `judge:version`."""


def level_of_source(trust: Trust, name: str, judge: str | None = None) -> Level:
    """How far a source is trusted as that of entries, or of a judge's judgements."""
    return trust.get(("source", name), "limited" if judge == FEEDBACK else "trusted")


def level_of_tenant(trust: Trust, name: str) -> Level:
    """How far a tenant is trusted."""
    return trust.get(("tenant", name), "trusted" if name == "default" else "limited")


def is_suspended(trust: Trust, source: str, tenant: str) -> bool:
    """Whether entries of this source and tenant are to be left out of all that learns."""
    levels = level_of_source(trust, source), level_of_tenant(trust, tenant)
    return "suspended" in levels


def calibration_lines(
    calibrations: Sequence[Calibration], policy: TrainingPolicy
) -> dict[tuple[str, str], Calibration]:
    """The calibrations that count, by judge and version."""
    wanted = calibrations if policy.calibrated else ()
    return {(line.judge, line.judge_version): line for line in wanted}
