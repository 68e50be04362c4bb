"""Queries that a student is tested with and never learns from."""

from collections import defaultdict
from collections.abc import Collection, Iterable

from fusion_agents.errors import ConfigError
from fusion_agents.near_duplicates import near_duplicate_groups
from fusion_agents.stores.consent import OWN_TENANT, may_train
from fusion_agents.stores.log_filter import LogFilter
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.types import Query, content_key

_STEPS = 1 << 32


def held_out_queries(
    log: RoutingLog,
    *,
    split: str = "test",
    share: float = 0.2,
    tasks: Collection[str] | None = None,
    seed: int = 0,
) -> list[Query]:
    """Choose the queries of a log that are kept from training.

    Those of the split, and their near-duplicates; a log without that split gives a share of its
    queries, near-duplicates together, drawn by nothing but their ids: the same call on the same
    log chooses the same ones, so that whoever selects and whoever tests agree without a file.

    Args:
        log: Where from.
        split: Name of the split to test with.
        share: Of the groups of near-duplicates, in (0, 1), where the log has no such split.
        tasks: Only of these; without it, of all.
        seed: Of the draw.

    Returns:
        Each query once, in the order of its id; empty for an empty log.

    Raises:
        ConfigError: If the share is none.
    """
    if not 0 < share < 1:
        raise ConfigError(f"the share of held-out queries must be between 0 and 1, not {share}")
    queries = sorted(log.queries(LogFilter()), key=lambda query: query.id)
    groups: defaultdict[int, list[Query]] = defaultdict(list)
    numbers = near_duplicate_groups([query.text for query in queries]).tolist()
    for query, number in zip(queries, numbers, strict=True):
        groups[number].append(query)
    has_split = any(query.split == split for query in queries)
    chosen = [
        query
        for members in groups.values()
        if (_has(members, split) if has_split else _is_drawn(members, share, seed))
        for query in members
    ]
    wanted = [query for query in chosen if tasks is None or query.task in tasks]
    return sorted(wanted, key=lambda query: query.id)


def askable(log: RoutingLog, queries: Iterable[Query]) -> list[Query]:
    """Leave out queries that only somebody asked whose entries may train no student.

    To compare students is to use what was asked: it is sent to models, and kept.
    """
    tenants = consenting_tenants(log)
    return [query for query in queries if tenants.get(query.id, {OWN_TENANT})]


def consenting_tenants(log: RoutingLog) -> dict[str, set[str]]:
    """Who asked each query and lets students be trained on it; nobody asked what is missing."""
    consents, trust = log.consents(), log.trust()
    found: defaultdict[str, set[str]] = defaultdict(set)
    for asker in log.askers():
        tenants = found[asker.query_id]
        if may_train(consents, trust, asker.source, asker.tenant):
            tenants.add(asker.tenant)
    return found


def _has(members: list[Query], split: str) -> bool:
    return any(query.split == split for query in members)


def _is_drawn(members: list[Query], share: float, seed: int) -> bool:
    first = content_key("held out", seed, min(query.id for query in members))
    return int(first[:8], 16) < share * _STEPS
