"""Questions that a student is tested with, in any wording, are never learned from."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from fusion_agents.distill.selecting.overlap import contains_any
from fusion_agents.distill.selecting.reporting import Reason, Stage
from fusion_agents.near_duplicates import near_duplicate_groups
from fusion_agents.types import Query

OTHER_SPLIT = Reason(Stage.GUARD, "of another split")
HELD_OUT = Reason(Stage.GUARD, "a held-out query")
NEAR_DUPLICATE = Reason(Stage.GUARD, "near-duplicate of a held-out query")


class Guard(NamedTuple):
    """Which queries are the same question, and which of them may not be learned from."""

    group_of: dict[str, int]
    """Number of the group of near-duplicates of each query id of the log."""
    task_of: dict[int, str]
    """Task of each group: that of its query with the least id; empty without one."""
    against: dict[str, Reason]
    """By query id, why it may not be learned from."""


def guard(queries: Iterable[Query], split: str, held_out: Iterable[Query] = ()) -> Guard:
    """Find near-duplicates, and all that is held out.

    Held out are queries of another split than `split`, those that are given, and whatever is a
    near-duplicate of one: by `near_duplicate_groups`, or because at least four fifths of the runs
    of three words of one of both stand in the other, such as a question with an instruction
    around it. What is held out keeps out its whole group.

    Args:
        queries: All that the log has, whoever asked them, in any order.
        split: Of the queries that may be learned from; those without a split are, too.
        held_out: Others; they need not be in the log.
    """
    log = sorted(queries, key=lambda query: query.id)
    given = sorted(held_out, key=lambda query: query.id)
    numbers = near_duplicate_groups([query.text for query in (*log, *given)]).tolist()
    group_of = {query.id: number for query, number in zip(log, numbers, strict=False)}
    task_of: dict[int, str] = {}
    for query in log:
        task_of.setdefault(group_of[query.id], query.task or "")
    ids, texts = {query.id for query in given}, {_plain(query.text) for query in given}
    against = {
        query.id: OTHER_SPLIT if query.split not in (None, split) else HELD_OUT
        for query in log
        if query.split not in (None, split) or query.id in ids or _plain(query.text) in texts
    }
    kept_out = {group_of[query_id] for query_id in against} | set(numbers[len(log) :])
    kept_out |= _overlapping(log, against, given, group_of)
    for query in log:
        if group_of[query.id] in kept_out:
            against.setdefault(query.id, NEAR_DUPLICATE)
    return Guard(group_of, task_of, against)


def _overlapping(
    log: Sequence[Query],
    against: dict[str, Reason],
    given: Sequence[Query],
    group_of: dict[str, int],
) -> set[int]:
    """Groups of queries that hold a held-out one, or stand in one."""
    free = [query for query in log if query.id not in against]
    held_out = [query.text for query in (*given, *(q for q in log if q.id in against))]
    found = contains_any([query.text for query in free], held_out)
    return {group_of[query.id] for query, is_near in zip(free, found, strict=True) if is_near}


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
