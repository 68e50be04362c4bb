"""What a metric is: how a response is compared with the right answer."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from fusion_agents.errors import DataError
from fusion_agents.types import Query


class Scored(NamedTuple):
    """What a metric says of one response."""

    score: float | None
    """In [0, 1]; none if it could not be measured: an infrastructure failure is never a zero."""
    reason: str | None = None
    """Why the score is 0 or none, such as `no stated answer`."""
    answer: str | None = None
    """What was read out of the response."""


@dataclass(kw_only=True)
class Metric(ABC):
    """Compares a response with the ground truth.

    A response from which no answer can be read scores 0 and says so in the reason; what cannot
    be measured, because a library or a sandbox is missing or broke, scores none. The same
    response to the same query scores the same each time, in any thread. Its module's name, with
    hyphens, is its name.
    """

    name: ClassVar[str]
    version: ClassVar[str] = "1"
    """Changes whenever some response scores differently than before."""

    @abstractmethod
    def score(self, response: str, query: Query) -> Scored:
        """Score one response.

        Raises:
            DataError: If the query lacks what the metric compares with.
        """


def golds(query: Query) -> tuple[str, ...]:
    """List the right answers to a query, all aliases; there is at least one.

    >>> golds(Query(text="Who wrote Emma?", ground_truth="Jane Austen"))
    ('Jane Austen',)

    Raises:
        DataError: If the query has none.
    """
    truth = query.ground_truth
    found = (truth,) if isinstance(truth, str) else truth or ()
    if not found:
        raise DataError(f"query {query.id!r} has no ground truth to score a response with")
    return found
