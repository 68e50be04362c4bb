"""Questions that a student is tested with, in any wording, are never learned from."""

from collections.abc import Iterable
from typing import NamedTuple

from fusion_agents.distill.selecting.overlap import nearness, plain
from fusion_agents.distill.selecting.reporting import Reason, Stage
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

    Held out are queries of another split than `split`, those that are given, and whatever is near
    one (see `overlap.nearness`): a near-duplicate, or a question with an instruction around it.
    What is held out keeps out its whole group.

    Args:
        queries: All that the log has, whoever asked them, in any order.
        split: Of the queries that may be learned from; those without a split are, too.
        held_out: Others; they need not be in the log.
    """
    log = sorted(queries, key=lambda query: query.id)
    given = sorted(held_out, key=lambda query: query.id)
    ids, texts = {query.id for query in given}, {plain(query.text) for query in given}
    against = {
        query.id: OTHER_SPLIT if query.split not in (None, split) else HELD_OUT
        for query in log
        if query.split not in (None, split) or query.id in ids or plain(query.text) in texts
    }
    found = nearness(
        [query.text for query in (*log, *given)],
        [query.id in against for query in log] + [True] * len(given),
    )
    group_of = {query.id: number for query, number in zip(log, found.groups, strict=False)}
    task_of: dict[int, str] = {}
    for query, is_near in zip(log, found.is_near, strict=False):
        task_of.setdefault(group_of[query.id], query.task or "")
        if is_near:
            against.setdefault(query.id, NEAR_DUPLICATE)
    return Guard(group_of, task_of, against)
