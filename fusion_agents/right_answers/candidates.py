"""Answers in a log without their text, and from where on they count as right."""

from typing import NamedTuple


class Instrument(NamedTuple):
    """A judge as it was when it gave a score: scores of two of them are on two scales."""

    judge: str
    version: str


class Candidate(NamedTuple):
    """An answer in the log, without its text."""

    key: str
    query_id: str
    model: str
    performance: float | None
    """As it was measured; none if it was not."""
    judge: float | None
    """The newest score of a judge that is trusted; none if there is none."""
    worth: float | None
    """What that score is worth in performance, where the judge was calibrated."""
    cost: float | None
    """Dollars."""
    text: int
    """The same for answers with the same text."""
    judged_by: Instrument | None = None
    """Whose score it is; none if there is none."""

    @property
    def verdict(self) -> float | None:
        """What its judge's score is worth, or else the score; none if there is none."""
        return self.judge if self.worth is None else self.worth


class Floors(NamedTuple):
    """From where on an answer counts as right."""

    performance: float = 1.0
    judge: float = 0.7
    """Only where performance was not measured: of the calibrated score, or else the score."""

    def is_right(self, candidate: Candidate) -> bool | None:
        """Whether an answer is right; none if nothing is known of it.

        >>> one = Candidate("a", "q", "small", None, 0.9, None, None, 1)
        >>> Floors().is_right(one), Floors().is_right(one._replace(worth=0.4))
        (True, False)
        """
        if candidate.performance is not None:
            return candidate.performance >= self.performance
        return None if candidate.verdict is None else candidate.verdict >= self.judge


FLOORS = Floors()
