"""The questions of a log that there is something to learn from, near-duplicates together."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from fusion_agents.near_duplicates import near_duplicate_groups
from fusion_agents.right_answers.candidates import FLOORS, Candidate, Floors
from fusion_agents.right_answers.questions import is_suspicious
from fusion_agents.right_answers.reading import candidate_of, is_whole, trusted_scores
from fusion_agents.stores.log_filter import LogFilter
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.stores.training import Trust, is_suspended, level_of_source
from fusion_agents.templates.selecting import Criterion, Selection, select
from fusion_agents.types import LogEntry, Query, content_key


class Group(NamedTuple):
    """One question, as often as it was asked."""

    query: Query
    """As it was asked where it got most right answers."""
    members: tuple[str, ...]
    """Ids of all near-duplicates that the tenant asked."""
    selection: Selection


class Gathering(NamedTuple):
    """The questions of a log."""

    groups: tuple[Group, ...]
    """Those that have right answers, in an order that does not change as the log grows."""
    held_out: int = 0
    """Questions of another split, and their near-duplicates."""
    all_wrong: int = 0
    unknown: int = 0
    """Questions of none of whose answers it is known whether it is right."""
    suspicious: int = 0
    """Questions that look like an attempt to command whoever reads them."""


class _Read(NamedTuple):
    candidates: dict[str, list[Candidate]]
    """By query id."""
    queries: dict[str, Query]


def gather(
    log: RoutingLog,
    criterion: Criterion,
    *,
    floors: Floors = FLOORS,
    split: str = "train",
    where: LogFilter | None = None,
    tenant: str = "default",
    per_task: int | None = None,
) -> Gathering:
    """Find the questions of a tenant, and choose among their answers.

    Near-duplicates are one question, and of these the wording counts that got most right answers.
    A question is held out if it, or a near-duplicate that anybody asked, is of another split;
    queries without a split are the log's own. Left out are answers of suspended sources and
    tenants, answers that were cut off, and those that had templates in front of them: templates
    shall not breed.

    Args:
        log: Has the answers.
        criterion: How answers are chosen.
        floors: From where on an answer counts as right.
        split: Of the queries that may be learned from.
        where: Which entries; without it, all.
        tenant: Whose.
        per_task: Questions of each task, at most; the same ones each time.
    """
    every = list(log.queries())
    numbers = near_duplicate_groups([query.text for query in every]).tolist()
    group_of = {query.id: number for query, number in zip(every, numbers, strict=True)}
    held_out = {group_of[query.id] for query in every if query.split not in (None, split)}
    read = _read(log, (where or LogFilter()).model_copy(update={"tenants": (tenant,)}))
    members: defaultdict[int, list[str]] = defaultdict(list)
    for query_id in read.candidates:
        members[group_of.get(query_id, -1)].append(query_id)
    found = [
        _group(ids, read, criterion, floors)
        for number, ids in members.items()
        if number not in held_out and number >= 0
    ]
    taught = [group for group in found if group.selection.right]
    honest = [group for group in taught if not is_suspicious(group.query)]
    return Gathering(
        groups=tuple(_some(honest, per_task)),
        held_out=sum(number in held_out for number in members),
        all_wrong=sum(not group.selection.right and group.selection.n_wrong > 0 for group in found),
        unknown=sum(not group.selection.right and not group.selection.n_wrong for group in found),
        suspicious=len(taught) - len(honest),
    )


def source_of(entries: Iterable[LogEntry], trust: Trust) -> str:
    """Where a template comes from: the least trusted of the sources of its answers."""
    sources = list(dict.fromkeys(entry.source for entry in entries))
    limited = [name for name in sources if level_of_source(trust, name) != "trusted"]
    return next(iter([*limited, *sources]), "local")


def _read(log: RoutingLog, where: LogFilter) -> _Read:
    trust = log.trust()
    scores = trusted_scores(log, where, trust)
    read = _Read(defaultdict(list), {})
    for entry in log.scan(where):
        if _can_teach(entry) and not is_suspended(trust, entry.source, entry.tenant):
            read.queries.setdefault(entry.query.id, entry.query)
            read.candidates[entry.query.id].append(candidate_of(entry, scores.get(entry.key)))
    return read


def _can_teach(entry: LogEntry) -> bool:
    return is_whole(entry) and not entry.template_ids


def _group(ids: list[str], read: _Read, criterion: Criterion, floors: Floors) -> Group:
    """The wording of a question that got most right answers; among equals, the first."""
    wordings: defaultdict[str, list[str]] = defaultdict(list)
    for query_id in ids:
        wordings[" ".join(read.queries[query_id].text.casefold().split())].append(query_id)
    groups = []
    for same in wordings.values():
        candidates = [one for query_id in same for one in read.candidates[query_id]]
        selection = select(candidates, criterion, floors)
        groups.append((selection.n_right, Group(read.queries[same[0]], tuple(ids), selection)))
    return max(groups, key=lambda group: group[0])[1]


def _some(groups: Collection[Group], per_task: int | None) -> Iterator[Group]:
    """So many of each task, chosen and ordered by nothing but their ids."""
    taken: defaultdict[str | None, int] = defaultdict(int)
    for group in sorted(groups, key=lambda group: content_key(group.query.id)):
        taken[group.query.task] += 1
        if per_task is None or taken[group.query.task] <= per_task:
            yield group
