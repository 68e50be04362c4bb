"""Answers of the log that serve as canaries: measured, and beyond doubt."""

from collections import defaultdict
from itertools import islice

from fusion_agents.judges.base import Case
from fusion_agents.judging.canaries import Canary, beside
from fusion_agents.judging.cases import case_of
from fusion_agents.stores.log_filter import LogFilter
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.stores.training import is_suspended
from fusion_agents.types import LogEntry

_LOOKED_AT = 5_000
"""Entries, at most."""
_QUERIES = 50
_LONGEST = 8_000
"""Characters of an answer."""


def known_canaries(log: RoutingLog, where: LogFilter | None = None) -> list[Canary]:
    """Find pairs of a right and a wrong answer to the same query.

    Only queries with a ground truth, measured on at least three answers of which most are right:
    there the wrong ones are wrong, and neither the ground truth nor the metric is. Looks at the
    first few thousand entries, and at none of a suspended source or tenant.
    """
    trust = log.trust()
    answers: defaultdict[str, list[LogEntry]] = defaultdict(list)
    for entry in islice(log.scan(where), _LOOKED_AT):
        if _is_measured(entry) and not is_suspended(trust, entry.source, entry.tenant):
            answers[entry.query.id].append(entry)
    pairs = [pair for entries in answers.values() if (pair := _pair(entries)) is not None]
    return [canary for good, bad in pairs[:_QUERIES] for canary in beside(good, bad)]


def _is_measured(entry: LogEntry) -> bool:
    text = (entry.response or "").strip()
    known = entry.query.ground_truth is not None and entry.performance in (0.0, 1.0)
    return known and 0 < len(text) <= _LONGEST


def _pair(entries: list[LogEntry]) -> tuple[Case, Case] | None:
    right = [entry for entry in entries if entry.performance == 1.0]
    wrong = [entry for entry in entries if entry.performance == 0.0]
    if not wrong or len(entries) < 3 or len(right) <= len(wrong):
        return None
    return _unlogged(right[0]), _unlogged(wrong[0])


def _unlogged(entry: LogEntry) -> Case:
    """A case that no judgement can be stored for."""
    return case_of(entry, key="")
