"""What is left to mine: the questions of a log without those that are settled."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from fusion_agents.right_answers.candidates import Candidate
from fusion_agents.stores.log_filter import LogFilter
from fusion_agents.stores.minings import KnownMining, MiningLedger
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.templates.gathering import Gathering, Group, source_of
from fusion_agents.templates.leaks import Source
from fusion_agents.templates.summarizing import Material
from fusion_agents.types import Dollars, LogEntry, ThoughtTemplate, content_key

_ENOUGH_WRONG = 2
"""Wrong answers that make a pitfall; one may be an accident."""


class Way(NamedTuple):
    """How templates are mined; another way asks for each of them again."""

    criterion: str
    summarizer: str
    prompt_version: str
    tenant: str

    def key(self, query_id: str, pitfall: bool) -> str:
        """Of a template in the account; a digest, from which nothing can be read."""
        return content_key(query_id, *self, pitfall)


class Mining(NamedTuple):
    """A template that is to be asked for."""

    key: str
    group: Group
    pitfall: bool
    known: KnownMining | None
    """What earlier runs have made of it."""

    @property
    def why(self) -> str | None:
        """What was wrong with what an earlier run got."""
        if self.known is None or self.known.state == "done":
            return None
        return self.known.reason


class Left(NamedTuple):
    """What is left."""

    minings: tuple[Mining, ...]
    settled: int
    """Templates that need not be asked for any more."""


class Loaded(NamedTuple):
    """A mining with its answers."""

    material: Material
    source: Source
    template: ThoughtTemplate
    """Its provenance; the words are still to be written."""


def left_to_mine(
    gathered: Gathering, ledger: MiningLedger, way: Way, *, pitfalls: bool = False
) -> Left:
    """Leave out what is settled for any of a question's near-duplicates.

    Args:
        gathered: The questions.
        ledger: Knows what was mined.
        way: How it is mined.
        pitfalls: Whether pitfalls are mined, too: where there are wrong answers beside right ones.
    """
    wanted = [
        (group, pitfall, [way.key(one, pitfall) for one in (group.query.id, *group.members)])
        for group, pitfall in _wanted(gathered.groups, pitfalls)
    ]
    known = ledger.known(list(dict.fromkeys(key for *_, keys in wanted for key in keys)))
    left = [
        Mining(keys[0], group, pitfall, known.get(keys[0]))
        for group, pitfall, keys in wanted
        if not any(key in known and known[key].settled for key in keys)
    ]
    return Left(tuple(left), len(wanted) - len(left))


def _wanted(groups: Sequence[Group], pitfalls: bool) -> Iterator[tuple[Group, bool]]:
    for group in groups:
        yield group, False
        if pitfalls and group.selection.n_wrong >= _ENOUGH_WRONG:
            yield group, True


def load(log: RoutingLog, mining: Mining, way: Way) -> Loaded | None:
    """Read the chosen answers; none if the right ones were forgotten meanwhile."""
    group, pitfall = mining.group, mining.pitfall
    chosen = (*group.selection.right, *(group.selection.wrong if pitfall else ()))
    entries = _entries(log, chosen)
    right = _responses(entries, group.selection.right)
    wrong = _responses(entries, group.selection.wrong) if pitfall else []
    if not right or (pitfall and not wrong):
        return None
    query = group.query
    gold = query.ground_truth or ()
    return Loaded(
        material=Material(
            question=query.text, right=right, wrong=wrong, share=group.selection.share
        ),
        source=Source(
            question=query.text,
            gold=(gold,) if isinstance(gold, str) else gold,
            answers=(*right, *wrong),
        ),
        template=ThoughtTemplate(
            problem="-",
            question=query.text,
            query_id=query.id,
            task=query.task,
            pitfall=pitfall,
            entry_keys=tuple(entries),
            criterion=way.criterion,
            summarizer=way.summarizer,
            prompt_version=way.prompt_version,
            source=source_of(entries.values(), log.trust()),
            tenant=way.tenant,
        ),
    )


def written(
    loaded: Loaded, parts: tuple[str, str, str], cost: Dollars | None, **more: object
) -> ThoughtTemplate:
    """The template with its words."""
    known = loaded.template.model_dump(exclude={"id", "problem", "reasoning", "answer_format"})
    words = dict(zip(("problem", "reasoning", "answer_format"), parts, strict=True))
    return ThoughtTemplate.model_validate({**known, **words, "cost": cost, **more})


def _entries(log: RoutingLog, chosen: Sequence[Candidate]) -> dict[str, LogEntry]:
    """The chosen entries by key, in the order in which they were chosen."""
    ids = tuple(dict.fromkeys(one.query_id for one in chosen))
    found = {entry.key: entry for entry in log.scan(LogFilter(query_ids=ids))}
    return {one.key: found[one.key] for one in chosen if one.key in found}


def _responses(entries: dict[str, LogEntry], chosen: Sequence[Candidate]) -> list[str]:
    return [entries[one.key].response or "" for one in chosen if one.key in entries]
