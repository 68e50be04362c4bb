"""Which log entries a student's data are made of, and which of them may still be used."""

from collections import Counter
from collections.abc import Iterable, Sequence

from pydantic import Field

from fusion_agents.distill.data.screening import with_fewer
from fusion_agents.distill.nouns import Dropped, Example, PreferencePair, TrainingData
from fusion_agents.stores.consent import may_train
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.types import LogEntry, Noun

WITHDRAWN = "was withdrawn: forgotten, or no longer to be learned from"


class Lineage(Noun):
    """What training data are made of, counted in examples; a pair counts as one too."""

    n_examples: int = Field(ge=0)
    n_pairs: int = Field(ge=0)
    by_source: dict[str, int]
    """Examples and pairs that hold something of a source; one of two sources counts twice."""
    by_tenant: dict[str, int]
    """Likewise."""
    by_teacher: dict[str, int]
    """Examples of each model; those made of the ground truth under the empty name."""
    by_task: dict[str, int]
    """Examples of each task; those without one under the empty name."""
    n_entries: int = Field(ge=0)
    """Different log entries."""


def lineage_of(data: TrainingData) -> Lineage:
    """Count what data are made of."""
    both = _both(data)
    return Lineage(
        n_examples=len(data.examples),
        n_pairs=len(data.pairs),
        by_source=_counted(source for one in both for source in set(one.sources)),
        by_tenant=_counted(tenant for one in both for tenant in set(one.tenants)),
        by_teacher=_counted(one.teacher or "" for one in data.examples),
        by_task=_counted(one.query.task or "" for one in data.examples),
        n_entries=len({key for one in both for key in keys_of(one)}),
    )


def _both(data: TrainingData) -> list[Example | PreferencePair]:
    return [*data.examples, *data.pairs]


def _counted(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))


def keys_of(one: Example | PreferencePair) -> tuple[str, ...]:
    """Keys of the log entries that an example or a pair is made of."""
    if isinstance(one, Example):
        return one.entry_keys
    return one.chosen_keys + one.rejected_keys


def made_of(
    data: TrainingData,
    *,
    sources: Iterable[str] = (),
    tenants: Iterable[str] = (),
    entry_keys: Iterable[str] = (),
) -> TrainingData:
    """The examples and pairs that hold something of a source, of a tenant or of a log entry."""
    wanted = frozenset(sources), frozenset(tenants), frozenset(entry_keys)

    def is_meant(one: Example | PreferencePair) -> bool:
        held = one.sources, one.tenants, keys_of(one)
        return any(names.intersection(of) for names, of in zip(wanted, held, strict=True))

    return with_fewer(data, filter(is_meant, data.examples), filter(is_meant, data.pairs))


def remaining(data: TrainingData, log: RoutingLog) -> TrainingData:
    """What of the data their log still allows to be learned from.

    An example stays while one of the entries that gave its answer is in the log and may train a
    student; its lineage is then what is left. A pair needs one on each side.
    """
    allowed = _allowed(data, log)
    examples = [_trimmed(one, allowed) for one in data.examples]
    pairs = [_trimmed_pair(one, allowed) for one in data.pairs]
    tasks = Counter(
        one.query.task or ""
        for one, left in zip(data.examples, examples, strict=True)
        if left is None
    )
    dropped = [Dropped(reason=WITHDRAWN, what="answers", n=tasks.total(), by_task=dict(tasks))]
    return with_fewer(
        data,
        [one for one in examples if one is not None],
        [one for one in pairs if one is not None],
        dropped if tasks else (),
    )


def _allowed(data: TrainingData, log: RoutingLog) -> dict[str, LogEntry]:
    """Entries that may train a student, by key and without what they say."""
    keys = {key for one in _both(data) for key in keys_of(one)}
    consents, trust = log.consents(), log.trust()
    return {
        entry.key: entry.model_copy(update={"response": None})
        for entry in log.entries(keys)
        if may_train(consents, trust, entry.source, entry.tenant)
    }


def _trimmed(one: Example, allowed: dict[str, LogEntry]) -> Example | None:
    kept = _kept(one.entry_keys, allowed)
    if len(kept) == len(one.entry_keys) and kept:
        return one
    if not kept:
        return None
    return one.model_copy(update={"entry_keys": kept, **_whose(kept, allowed)})


def _trimmed_pair(one: PreferencePair, allowed: dict[str, LogEntry]) -> PreferencePair | None:
    chosen, rejected = _kept(one.chosen_keys, allowed), _kept(one.rejected_keys, allowed)
    if not chosen or not rejected:
        return None
    if (chosen, rejected) == (one.chosen_keys, one.rejected_keys):
        return one
    given = {"chosen_keys": chosen, "rejected_keys": rejected}
    return one.model_copy(update={**given, **_whose(chosen + rejected, allowed)})


def _kept(keys: Sequence[str], allowed: dict[str, LogEntry]) -> tuple[str, ...]:
    return tuple(key for key in keys if key in allowed)


def _whose(keys: Sequence[str], allowed: dict[str, LogEntry]) -> dict[str, tuple[str, ...]]:
    entries = [allowed[key] for key in keys]
    return {
        "sources": tuple(dict.fromkeys(entry.source for entry in entries)),
        "tenants": tuple(dict.fromkeys(entry.tenant for entry in entries)),
    }
