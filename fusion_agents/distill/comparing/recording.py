"""What a comparison found out, told to the routing log: from there routers learn it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from fusion_agents.distill.comparing.comparing import Pairs
from fusion_agents.distill.comparing.comparison import Recorded
from fusion_agents.distill.comparing.contestants import Contestants
from fusion_agents.distill.comparing.given import Given, Replies
from fusion_agents.distill.nouns import COMPARISON_SOURCE
from fusion_agents.distill.selecting.holding_out import consenting_tenants
from fusion_agents.errors import ConfigError
from fusion_agents.stores.consent import OWN_TENANT
from fusion_agents.stores.log_filter import LogFilter
from fusion_agents.stores.log_writing import Refusal
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.types import Arm, Judgement, LogEntry, Query, content_key

SOURCE = COMPARISON_SOURCE
"""Of what is recorded."""
SPLIT = "evaluation"
"""Of queries that had none and are new to the log: no student shall learn from them."""
SHARE = 0.5
"""Of the queries, that are recorded."""

_STEPS = 1 << 32
_MOST = 30_000


class Division(NamedTuple):
    """Asked queries, near-duplicates together."""

    told: tuple[Query, ...]
    """That the log is told of."""
    kept_back: tuple[Query, ...]


def divide(pairs: Pairs, share: float = SHARE, *, seed: int = 0) -> Division:
    """Draw the queries that are recorded, by nothing but their ids.

    Raises:
        ConfigError: If the share is none.
    """
    if not 0 < share <= 1:
        raise ConfigError(f"the share of recorded queries must lie in (0, 1], not {share}")
    first: dict[int, str] = {}
    for query, group in zip(pairs.queries, pairs.groups.tolist(), strict=True):
        first[group] = min(first.get(group, query.id), query.id)
    drawn = {
        group
        for group, name in first.items()
        if int(content_key("recorded", seed, name)[:8], 16) < share * _STEPS
    }
    both = list(zip(pairs.queries, pairs.groups.tolist(), strict=True))
    return Division(
        tuple(query for query, group in both if group in drawn),
        tuple(query for query, group in both if group not in drawn),
    )


def record(
    log: RoutingLog, pairs: Pairs, asked: Contestants, evaluation: RoutingLog, division: Division
) -> Recorded:
    """Add answers to the log, under the names that the pool has; a second time adds nothing.

    The student's, and the base's if it is in the pool and the log has no other answer of it to
    that query. Judges' scores come along. What failed is left out, as it says nothing of the
    model. A query keeps the split that it has in the log; one that is new there and has none gets
    the split `evaluation`, so that routers learn from it, but no student does.

    Args:
        log: The routing log.
        pairs: What base and student answered.
        asked: Who they are.
        evaluation: Has the judgements.
        division: Which queries the log is told of.

    Raises:
        StoreError: If the log cannot be written.
    """
    known, tenants = _known(log, division.told), consenting_tenants(log)
    student = Arm(model=asked.student_name, strategy=asked.student.strategy)
    base = Arm(model=asked.base_name, strategy=asked.base.strategy)
    keys = dict(_renamed(pairs.student, student, division.told, known, tenants))
    if asked.base_in_pool:
        there = _answered(log, base, division.told)
        others = [query for query in division.told if query.id not in there]
        keys |= dict(_renamed(pairs.base, base, others, known, tenants))
    refused: list[Refusal] = []
    new = log.append(keys.values(), on_refused=refused.append)
    stored = keys.keys() - {old for old, entry in keys.items() if _is_in(entry, refused)}
    log.append_judgements(_judgements(evaluation, keys, stored))
    return Recorded(
        student_arm=str(student),
        base_arm=str(base) if asked.base_in_pool else None,
        n_queries=len(division.told),
        entries=len(stored),
        new=new,
        kept_back=tuple(query.id for query in division.kept_back),
    )


def _known(log: RoutingLog, queries: Sequence[Query]) -> dict[str, Query]:
    ids = [query.id for query in queries]
    parts = (ids[start : start + _MOST] for start in range(0, len(ids), _MOST))
    return {query.id: query for part in parts for query in log.ledger.queries(part)}


def _answered(log: RoutingLog, arm: Arm, queries: Sequence[Query]) -> set[str]:
    """Ids of queries that the log has an answer of the arm to, from elsewhere."""
    wanted = {query.id for query in queries}
    entries = log.scan(LogFilter(arms=(str(arm),), errors=False))
    return {one.query.id for one in entries if one.source != SOURCE} & wanted


def _renamed(
    replies: Replies,
    arm: Arm,
    queries: Sequence[Query],
    known: Mapping[str, Query],
    tenants: Mapping[str, set[str]],
) -> Iterator[tuple[str, LogEntry]]:
    """Entries for the log by the keys that they have in the evaluation's own."""
    for query in queries:
        answer = replies.answers.get(query.id)
        if answer is not None:
            asked = _as_known(query, known.get(query.id))
            yield answer.entry.key, _entry(answer, arm, asked, _whose(tenants.get(query.id)))


def _as_known(query: Query, known: Query | None) -> Query:
    """With the split that it has in the log; none stays none, as by that others were held out."""
    split = (query.split or SPLIT) if known is None else known.split
    return query.model_copy(update={"split": split})


def _whose(tenants: set[str] | None) -> str:
    """The tenant who asked, so that forgetting it forgets the answers too; first the operator."""
    return OWN_TENANT if not tenants or OWN_TENANT in tenants else min(tenants)


def _entry(answer: Given, arm: Arm, query: Query, tenant: str) -> LogEntry:
    given = {name: value for name, value in answer.entry if name not in ("key", "query", "arm")}
    return LogEntry(
        **{
            **given,
            "key": content_key(SOURCE, answer.entry.key, str(arm)),
            "query": query,
            "arm": arm,
            "performance": answer.performance,
            "source": SOURCE,
            "tenant": tenant,
        }
    )


def _is_in(entry: LogEntry, refused: Sequence[Refusal]) -> bool:
    return any(one.key == entry.key for one in refused)


def _judgements(
    evaluation: RoutingLog, keys: Mapping[str, LogEntry], stored: set[str]
) -> Iterator[Judgement]:
    for one in evaluation.judgements():
        if one.entry_key in stored:
            given = {name: value for name, value in one if name not in ("key", "entry_key")}
            yield Judgement(**given, entry_key=keys[one.entry_key].key)
