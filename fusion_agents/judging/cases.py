"""Which answers of a log are judged, and what a judge is shown of each."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain, islice

from fusion_agents.judges.base import Case, Judge
from fusion_agents.stores.log_filter import LogFilter
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.types import LogEntry, content_key

_RIVALS = 8
_PAGE = 64


def is_chosen(key: str, rate: float) -> bool:
    """Whether an entry belongs to this share of all entries.

    Depends on the key alone: repeating chooses the same, and a larger share holds a smaller one.

    >>> sum(is_chosen(f"entry {i}", 0.1) for i in range(1000))
    91
    """
    return int(content_key("judge", key), 16) < rate * 16**32


def case_of(entry: LogEntry, *, key: str | None = None) -> Case:
    """What a judge sees of an entry."""
    return Case(
        query=entry.query,
        response=entry.response or "",
        arm=entry.arm,
        model_version=entry.model_version,
        entry_key=entry.key if key is None else key,
    )


class Cases:
    """Gives the answers of a log that a judge has not scored yet.

    A judge that compares is shown up to eight answers that other arms gave to the same query.
    What the judge refuses without being asked is counted and left out.

    Args:
        log: Where they are.
        judge: Who is to judge them.
        where: Which entries; without it, all.
        rate: Share of them, in [0, 1].
        limit: So many, at most.
        measured_first: Whether those whose performance was measured come before the others.
        on_refused: Called with the reason for each that the judge refuses.
    """

    def __init__(
        self,
        log: RoutingLog,
        judge: Judge,
        *,
        where: LogFilter | None = None,
        rate: float = 1.0,
        limit: int | None = None,
        measured_first: bool = False,
        on_refused: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._log = log
        self._judge = judge
        self._where = where
        self._rate = rate
        self._limit = limit
        self._measured_first = measured_first
        self._on_refused = on_refused

    def batches(self, size: int) -> Iterator[list[Case]]:
        """Yield all cases, `size` at a time."""
        cases = iter(self)
        while batch := list(islice(cases, size)):
            yield batch

    def __iter__(self) -> Iterator[Case]:
        """Yield all cases in the order in which they were stored."""
        return islice(self._accepted(), self._limit)

    def _accepted(self) -> Iterator[Case]:
        entries = self._entries()
        while page := list(islice(entries, _PAGE)):
            cases = [case_of(entry) for entry in page]
            for case in self._with_rivals(cases) if self._judge.compares else cases:
                why = self._judge.refusal(case)
                if why is None:
                    yield case
                else:
                    self._on_refused(why)

    def _entries(self) -> Iterator[LogEntry]:
        if not self._measured_first:
            return self._unjudged()
        measured = (entry for entry in self._unjudged() if entry.performance is not None)
        others = (entry for entry in self._unjudged() if entry.performance is None)
        return chain(measured, others)

    def _unjudged(self) -> Iterator[LogEntry]:
        judge = self._judge
        for entry in self._log.unjudged(judge.name, judge.version, self._where):
            if is_chosen(entry.key, self._rate):
                yield entry

    def _with_rivals(self, cases: list[Case]) -> list[Case]:
        """Add the newest answers that other arms gave to the same query."""
        about = LogFilter(query_ids=tuple({case.query.id for case in cases}), errors=False)
        answers: defaultdict[str, dict[str, Case]] = defaultdict(dict)
        for entry in self._log.scan(about):
            if entry.response:
                answers[entry.query.id][str(entry.arm)] = case_of(entry)
        return [
            replace(case, rivals=tuple(self._others(case, answers[case.query.id])))
            for case in cases
        ]

    def _others(self, case: Case, answers: dict[str, Case]) -> list[Case]:
        others = [answer for arm, answer in answers.items() if arm != str(case.arm)]
        others.sort(key=lambda other: content_key(case.entry_key, other.entry_key))
        return others[:_RIVALS]
