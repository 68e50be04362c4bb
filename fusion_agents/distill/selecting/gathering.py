"""The answers of a log that a student may learn from, read once and without keeping their text."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import NamedTuple

from fusion_agents.collecting.scoring import scored
from fusion_agents.distill.nouns import COMPARISON_SOURCE
from fusion_agents.distill.selecting.answer_texts import text_problem
from fusion_agents.distill.selecting.guarding import Guard
from fusion_agents.distill.selecting.lengths import too_long
from fusion_agents.distill.selecting.options import SelectionOptions
from fusion_agents.distill.selecting.reporting import Reason, Stage, Tally
from fusion_agents.right_answers.candidates import Candidate
from fusion_agents.right_answers.reading import (
    TrustedScore,
    candidate_of,
    is_cut_off,
    trusted_scores,
)
from fusion_agents.stores.consent import Consents, objection
from fusion_agents.stores.log_filter import LogFilter
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.stores.training import Trust
from fusion_agents.types import LogEntry, Query

_OBJECTIONS = {
    "suspended": Reason(Stage.CONSENT, "source or tenant is suspended"),
    "source refused": Reason(Stage.CONSENT, "source refused its consent"),
    "tenant refused": Reason(Stage.CONSENT, "tenant refused its consent"),
    "tenant without consent": Reason(Stage.CONSENT, "tenant gave no consent"),
}
_OTHER_TENANT = Reason(Stage.SCOPE, "of a tenant that was not asked for")
_OTHER_TASK = Reason(Stage.SCOPE, "of a task that was not asked for")
_COMPARED = Reason(Stage.SCOPE, "an answer of a comparison of students")
_EXCLUDED = Reason(Stage.WHOLE, "by a model that was left out")
_FAILED = Reason(Stage.WHOLE, "failed attempt")
_EMPTY = Reason(Stage.WHOLE, "empty")
_CUT_OFF = Reason(Stage.WHOLE, "cut off")
_TEMPLATES = Reason(Stage.WHOLE, "had thought templates in front")
_UNKNOWN = Reason(Stage.KNOWN, "not known whether it is right")
_WRONG = Reason(Stage.RIGHT, "measured wrong")
_BELOW = Reason(Stage.RIGHT, "below the judge's floor")
TOO_LONG = Reason(Stage.LENGTH, "too long for training")


class Origin(NamedTuple):
    """Where a log entry comes from."""

    key: str
    source: str
    tenant: str


class Answer(NamedTuple):
    """An answer that a student may learn from, or learn to avoid, without its text."""

    candidate: Candidate
    origin: Origin
    characters: int
    text: int
    """The same for answers with the same text, without spaces at its ends."""


@dataclass(kw_only=True)
class Gathered:
    """What may be learned from, by query id."""

    queries: dict[str, Query] = field(default_factory=dict)
    """Those that somebody asked who consented."""
    right: defaultdict[str, list[Answer]] = field(default_factory=lambda: defaultdict(list))
    wrong: defaultdict[str, list[Answer]] = field(default_factory=lambda: defaultdict(list))
    asked: defaultdict[str, list[Origin]] = field(default_factory=lambda: defaultdict(list))
    """The entries that asked it, whatever became of them."""


def gather(log: RoutingLog, options: SelectionOptions, guard: Guard, tally: Tally) -> Gathered:
    """Read a log once.

    A missing performance is scored by the query's metric where it has one and `score_missing` is
    set; programs only where there is a sandbox. What cannot be scored stays unknown.
    """
    reader = _Reader(
        options=options, guard=guard, tally=tally, consents=log.consents(), trust=log.trust(),
        scores=trusted_scores(log, LogFilter()),
    )  # fmt: skip
    for entry in log.scan():
        if entry.query.id not in guard.group_of:
            continue  # it came after the log's queries were read
        tally.n_answers += 1
        reason = reader.take(entry)
        if reason is not None:
            tally.drop(reason, entry.query.id, entry.query.task)
    return reader.found


@dataclass(kw_only=True)
class _Reader:
    """Checks one entry after the other; what one entry comes to depends on no other."""

    options: SelectionOptions
    guard: Guard
    tally: Tally
    consents: Consents
    trust: Trust
    scores: dict[str, TrustedScore]
    found: Gathered = field(default_factory=Gathered)

    def take(self, entry: LogEntry) -> Reason | None:
        """Keep what is right or wrong; say why an entry is no answer to learn."""
        if (reason := self._not_allowed(entry)) is not None:
            return reason
        query, origin = entry.query, Origin(entry.key, entry.source, entry.tenant)
        self.found.queries.setdefault(query.id, query)
        self.found.asked[query.id].append(origin)
        if (reason := self._not_whole(entry)) is not None:
            if reason is _CUT_OFF and self.options.pair_cut_off:
                self._sort(entry, origin, only_wrong=True)
            return reason
        return self._sort(entry, origin)

    def _not_allowed(self, entry: LogEntry) -> Reason | None:
        options = self.options
        if entry.source == COMPARISON_SOURCE:
            return _COMPARED
        why = objection(self.consents, self.trust, entry.source, entry.tenant)
        if why is not None:
            return _OBJECTIONS[why]
        if options.tenants is not None and entry.tenant not in options.tenants:
            return _OTHER_TENANT
        if options.tasks is not None and entry.query.task not in options.tasks:
            return _OTHER_TASK
        return self.guard.against.get(entry.query.id)

    def _not_whole(self, entry: LogEntry) -> Reason | None:
        if entry.arm.model in self.options.exclude_models:
            return _EXCLUDED
        if entry.error is not None:
            return _FAILED
        if not (entry.response or "").strip():
            return _EMPTY
        if entry.template_ids:
            return _TEMPLATES
        if is_cut_off(entry):
            return _CUT_OFF
        problem = text_problem(entry)
        return None if problem is None else Reason(Stage.TEXT, problem)

    def _sort(self, entry: LogEntry, origin: Origin, *, only_wrong: bool = False) -> Reason | None:
        candidate = candidate_of(self._measured(entry), self.scores.get(entry.key))
        is_right = self.options.floors.is_right(candidate)
        text = (entry.response or "").strip()
        answer = Answer(candidate, origin, len(text), hash(text))
        if is_right is None:
            return _UNKNOWN
        if too_long(entry.query.text, text, self.options):
            return TOO_LONG if is_right else _wrong(candidate)
        if not is_right:
            self.found.wrong[entry.query.id].append(answer)
            return _wrong(candidate)
        if not only_wrong:
            self.found.right[entry.query.id].append(answer)
        return None

    def _measured(self, entry: LogEntry) -> LogEntry:
        query = entry.query
        lacks = entry.performance is None and query.metric and query.ground_truth is not None
        if not lacks or not self.options.score_missing:
            return entry
        return entry.model_copy(update={"performance": scored(entry).score})


def _wrong(candidate: Candidate) -> Reason:
    return _BELOW if candidate.performance is None else _WRONG
