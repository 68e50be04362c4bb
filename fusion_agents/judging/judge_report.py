"""What a judge is worth, as data; it round-trips through JSON."""

from collections.abc import Iterator
from typing import NamedTuple

from pydantic import Field

from fusion_agents.evaluation.report import CalibrationBin
from fusion_agents.types import Calibration, Noun


class Figure(Noun):
    """A number with its 95 % interval; none where it is not known."""

    value: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval lies on one side of zero."""
        return self.low is not None and self.high is not None and not self.low <= 0 <= self.high


class Line(NamedTuple):
    """One figure of a report, as it is shown."""

    name: str
    figure: Figure
    meaning: str


class JudgeReport(Noun):
    """A judge's scores beside measured performance, on the answers that have both."""

    judge: str
    judge_version: str
    n: int
    """Number of answers that have both."""
    n_queries: int
    n_bootstrap: int
    auc: Figure = Figure()
    """How often the judge scores a right answer above a wrong one, ties half; right is a
    performance of at least 0.5."""
    spearman: Figure = Figure()
    """Rank correlation of score and performance."""
    error_before: Figure = Figure()
    """Expected calibration error of the bare scores."""
    error_after: Figure = Figure()
    """The same of calibrated scores, each learned on other queries."""
    length_slope: Figure = Figure()
    """How much the score rises when an answer is twice as long and performs the same."""
    length_correlation: Figure = Figure()
    """Partial correlation of score and logarithm of the length, given performance."""
    own_family: Figure = Figure()
    """How much higher the judge scores its own family than others that perform the same."""
    n_own_family: int = 0
    """Answers of its own family."""
    swap_consistency: Figure = Figure()
    """Share of comparisons in which the order made no difference."""
    first_preference: Figure = Figure()
    """How much more often an answer wins shown first than shown second."""
    n_swapped: int = 0
    """Comparisons asked in both orders."""
    bins: tuple[CalibrationBin, ...] = ()
    """Bare scores beside performance."""
    calibration: Calibration | None = None
    """What the scores are worth; none if they are worth nothing that can be relied on."""
    refusal: str | None = None
    """Why there is no calibration."""
    notes: tuple[str, ...] = Field(default=())
    """What could not be measured, and why."""

    def lines(self) -> Iterator[Line]:
        """The figures that are known, in the order in which they are shown."""
        for line in (
            Line("AUC", self.auc, "0.5 is guessing, 1 knows right from wrong"),
            Line("Spearman", self.spearman, "of score and performance"),
            Line("calibration error", self.error_before, "of the scores as they are"),
            Line("calibration error, calibrated", self.error_after, "on other queries"),
            Line("length bias", self.length_slope, "score for twice the length, performance equal"),
            Line("length correlation", self.length_correlation, "with score, performance equal"),
            Line("self-preference", self.own_family, "score for its own family, performance equal"),
            Line("swap consistency", self.swap_consistency, "both orders say the same"),
            Line("preference for the first", self.first_preference, "wins first, less second"),
        ):
            if line.figure.value is not None:
                yield line
