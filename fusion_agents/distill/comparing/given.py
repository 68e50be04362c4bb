"""What base and student answered, found by what was asked, not by the names of the arms."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from fusion_agents.collecting.planning import Planner
from fusion_agents.collecting.scoring import scored
from fusion_agents.pool.pool import Pool
from fusion_agents.stores.ledger import Scoring
from fusion_agents.stores.log_filter import LogFilter
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.types import Arm, LogEntry, Query, content_key

EMPTY = "empty"
"""Class of the fault of a reply without a word: here that is an answer, and a wrong one."""

_MOST = 30_000
_CUT_OFF = ("length", "max_tokens", "model_length")
_NO_ANSWER = ("empty response", "no stated", "several answers", "no program")


class Given(NamedTuple):
    """An answer."""

    entry: LogEntry
    performance: float | None
    """By the query's metric; 0 for a reply without a word, also where there is no metric."""
    judge: float | None
    """The newest score of a judge; 0 likewise."""
    no_answer: bool
    """Whether the metric found no answer in it."""

    @property
    def empty(self) -> bool:
        """Whether the reply had no words."""
        return not self.entry.response

    @property
    def cut_off(self) -> bool:
        """Whether it ended at the token limit."""
        return (self.entry.finish_reason or "").lower() in _CUT_OFF


class Replies(NamedTuple):
    """What an arm said to each query."""

    answers: Mapping[str, Given]
    """By query id."""
    faults: Mapping[str, str]
    """By id of the queries that were asked in vain, the class of the last fault."""

    def is_settled(self, query: Query) -> bool:
        """Whether it need not be asked again."""
        return query.id in self.answers


def read_replies(pool: Pool, arm: Arm, queries: Sequence[Query], log: RoutingLog) -> Replies:
    """Read the replies to exactly the calls that would be made now.

    A reply without a word is an answer: to leave it out of the means would reward a model for
    saying nothing where it knows nothing. All other faults are none.
    """
    wanted, failed = _keys(pool, arm, queries, log)
    scorings = {one.entry_key: one for one in log.ledger.scorings()}
    where = LogFilter(arms=(str(arm),))
    judged = {one.entry_key: one.score for one in log.judgements(where) if one.score is not None}
    answers: dict[str, Given] = {}
    faults: dict[str, str] = {}
    for entry in log.scan(where):
        if entry.key in wanted and entry.error is None:
            judge = judged.get(entry.key)
            priced = _priced(pool, entry)
            answers[entry.query.id] = _given(priced, scorings.get(entry.key), judge)
        elif entry.key in failed and entry.error == EMPTY:
            answers[entry.query.id] = _without_words(_priced(pool, entry))
        elif entry.key in failed:
            faults[entry.query.id] = entry.error or "other"
    return Replies(answers, {name: kind for name, kind in faults.items() if name not in answers})


def _keys(
    pool: Pool, arm: Arm, queries: Sequence[Query], log: RoutingLog
) -> tuple[set[str], set[str]]:
    """Keys of entries that answer these calls, and of the last faults of those that failed."""
    calls = [call.key for call in Planner(pool, log.ledger, queries).calls([arm])]
    known = {
        key: call
        for start in range(0, len(calls), _MOST)
        for key, call in log.ledger.known(calls[start : start + _MOST]).items()
    }
    failed = (
        content_key(key, "error", call.errors - 1) for key, call in known.items() if call.errors
    )
    return set(calls), set(failed)


def _priced(pool: Pool, entry: LogEntry) -> LogEntry:
    """With what it cost, if its price was not known when it was asked and is now."""
    if entry.cost is not None or (prices := pool.prices(entry.arm.model)) is None:
        return entry
    paid = {"cost": pool.cost(entry.arm.model, entry.usage)}
    return entry.model_copy(
        update={**paid, "input_price": prices.input, "output_price": prices.output}
    )


def _given(entry: LogEntry, scoring: Scoring | None, judge: float | None) -> Given:
    said = scoring is not None and scoring.score == 0 and scoring.answer is None
    reason = (scoring.reason if scoring else None) or ""
    return Given(entry, entry.performance, judge, said and reason.startswith(_NO_ANSWER))


def _without_words(entry: LogEntry) -> Given:
    """As its metric scores an empty text; wrong where there is none."""
    empty = entry.model_copy(update={"error": None, "response": ""})
    query = entry.query
    if query.metric is None or query.ground_truth is None:
        return Given(empty, None, 0.0, no_answer=False)
    return Given(empty, scored(empty).score, 0.0, no_answer=True)


def faults_by_kind(replies: Replies) -> dict[str, int]:
    """How many queries were asked in vain, by class."""
    kinds: Iterable[str] = replies.faults.values()
    counts: dict[str, int] = {}
    for kind in sorted(kinds):
        counts[kind] = counts.get(kind, 0) + 1
    return counts
