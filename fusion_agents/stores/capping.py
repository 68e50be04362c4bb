"""How many scores of limited sources and tenants count, and which ones."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from fusion_agents.stores.training import TrainingPolicy
from fusion_agents.types import content_key

Measure = Literal["entries", "performance", "judge"]
"""Entries with any score; one kind of scores."""

_MEASURES: tuple[Measure, ...] = ("entries", "performance", "judge")


class Scored(NamedTuple):
    """An entry with a score, and the limited names that answer for it, if there are any."""

    row: int
    key: str
    performance: bool
    """Whether it has one, measured or calibrated."""
    judge: bool
    """Whether it has a judge's score."""
    source: str | None = None
    """Of the entry."""
    tenant: str | None = None
    performance_by: str | None = None
    """Source of the judgement that its performance comes from."""
    judge_by: str | None = None
    """Source of its judgement."""

    @property
    def is_free(self) -> bool:
        """Whether nobody limited answers for any of it."""
        return self[4:] == (None, None, None, None)

    def has(self, measure: Measure) -> bool:
        """Whether it has such a score."""
        return {"performance": self.performance, "judge": self.judge}.get(measure, True)


@dataclass
class Caps:
    """Counts scores and decides which are left out.

    What a source logged and what it judged are capped apart. Which scores are left out depends on
    their entries' keys and the seed alone, not on their order.

    Args:
        policy: The largest shares.

    Attributes:
        out: Row numbers of the entries that are left out whole, and of those without this score.
    """

    policy: TrainingPolicy
    out: dict[Measure, set[int]] = field(
        default_factory=lambda: {measure: set() for measure in _MEASURES}
    )
    _free: Counter[Measure] = field(default_factory=Counter)
    _limited: list[Scored] = field(default_factory=list)

    def add(self, scored: Scored) -> None:
        """Count an entry's scores."""
        if scored.is_free:
            self._free.update(measure for measure in _MEASURES if scored.has(measure))
        else:
            self._limited.append(scored)

    def settle(self) -> None:
        """Decide, when all is counted: again and again, as leaving out raises others' shares."""
        first = {measure: self._count(measure) for measure in _MEASURES}
        source, tenant = self.policy.max_source_share, self.policy.max_tenant_share
        cuts: tuple[tuple[str, Measure, float], ...] = (
            ("performance_by", "performance", source),
            ("judge_by", "judge", source),
            ("source", "entries", source),
            ("tenant", "entries", tenant),
        )
        while sum(self._cut(*cut, first[cut[1]]) for cut in cuts):
            pass

    def _count(self, measure: Measure) -> int:
        return self._free[measure] + sum(1 for _ in self._counting(measure))

    def _counting(self, measure: Measure) -> Iterator[Scored]:
        """The limited scores that are still in."""
        gone, whole = self.out[measure], self.out["entries"]
        for scored in self._limited:
            if scored.row in whole or scored.row in gone or not scored.has(measure):
                continue
            if measure != "entries" or self._has_any(scored):
                yield scored

    def _has_any(self, scored: Scored) -> bool:
        return any(
            scored.has(measure) and scored.row not in self.out[measure] for measure in _MEASURES[1:]
        )

    def _cut(self, who: str, measure: Measure, share: float, n_first: int) -> bool:
        """Cut each name to its allowance, and say whether anything was cut."""
        groups: dict[str, list[Scored]] = {}
        n_others = self._free[measure]
        for scored in self._counting(measure):
            name = getattr(scored, who)
            if name is None:
                n_others += 1
            else:
                groups.setdefault(name, []).append(scored)
        if not groups:
            return False
        sizes = [len(group) for group in groups.values()]
        level = allowance(sizes, n_others, share, n_first, self.policy.enough)
        surplus = [s for group in groups.values() for s in self._surplus(group, level)]
        self.out[measure].update(scored.row for scored in surplus)
        if measure == "performance":  # what does not count as performance is no score either
            same = (scored.row for scored in surplus if scored.judge_by == scored.performance_by)
            self.out["judge"].update(same)
        return bool(surplus)

    def _surplus(self, group: list[Scored], level: int) -> list[Scored]:
        if len(group) <= level:
            return []
        return sorted(group, key=lambda s: content_key("training", self.policy.seed, s.key))[level:]


def allowance(sizes: Sequence[int], others: int, share: float, n_first: int, enough: int) -> int:
    """How many scores each limited name may keep.

    It is the largest number with which nobody has more than the share of what is left of all.
    Where that leaves fewer than `enough` scores to learn from, as there is little or nothing that
    is trusted, the cap is loosened: no name need have less than an equal part, nor be cut below
    the share of all scores that there were. So a name without rivals keeps everything, and one
    that has tiny rivals cannot be cut to their size. A share of 0 is never loosened.

    Args:
        sizes: Scores of each limited name.
        others: Scores of those that are not limited.
        share: Largest part of all scores for one name.
        n_first: Scores before anything was left out.
        enough: Scores that are enough to learn from.

    >>> allowance([1000, 30], others=400, share=0.2, n_first=1430, enough=50)
    107
    >>> allowance([1000], others=0, share=0.2, n_first=1000, enough=50)
    1000
    """
    level = _level(sizes, others, share)
    if share and others + sum(min(size, level) for size in sizes) < enough:
        n_parties = len(sizes) + bool(others)
        equal = _level(sizes, others, max(share, 1 / n_parties))
        level = max(equal, math.ceil(share * n_first))
    return level


def _level(sizes: Sequence[int], others: int, share: float) -> int:
    """The largest level with `level <= share * (others + sum(min(size, level)))`.

    Names smaller than the level keep all they have; so the answer lies between two neighbouring
    sizes, or above them all.
    """
    ordered = sorted(sizes, reverse=True)
    rest = others + sum(ordered)
    if not ordered or ordered[0] <= share * rest + 1e-9:
        return max(ordered, default=0)
    for n_cut, size in enumerate(ordered, 1):
        rest -= size
        below = ordered[n_cut] if n_cut < len(ordered) else 0
        room = 1 - share * n_cut
        level = share * rest / room if room > 1e-12 else float("inf")
        if level >= below:
            return int(min(level, size) + 1e-9)
    return 0
