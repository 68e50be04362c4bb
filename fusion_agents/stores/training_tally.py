"""Entries with the scores that count, and the account of them."""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from fusion_agents.stores.training import (
    Contribution,
    Level,
    TrainingReport,
    Trust,
    level_of_source,
    level_of_tenant,
)
from fusion_agents.types import Calibration


class Voice(NamedTuple):
    """Who gives a score."""

    judge: str
    version: str
    source: str
    level: Level
    line: Calibration | None
    """What its scores are worth, where that is known."""

    @property
    def limited_source(self) -> str | None:
        """Its source, if that is limited."""
        return self.source if self.level == "limited" else None


class Said(NamedTuple):
    """A score and who gave it."""

    value: float
    voice: Voice


class Row(NamedTuple):
    """An entry's numbers as the log has them."""

    row: int
    key: str
    query: int
    model: str
    strategy: str
    performance: float | None
    cost: float | None
    latency: float | None
    propensity: float
    failed: int
    source: str
    tenant: str


class Found(NamedTuple):
    """An entry with the scores that count."""

    row: Row
    judge: Said | None = None
    worth: Said | None = None
    """Of the judgement that is calibrated, where no performance was measured."""

    @property
    def is_scored(self) -> bool:
        """Whether it has any score."""
        return self.row.performance is not None or self.judge is not None


@dataclass
class Tally:
    """Counts what training outcomes are made of."""

    entries: int = 0
    measured: int = 0
    worth: Counter[str] = field(default_factory=Counter)
    _scored: Counter[tuple[str, str]] = field(default_factory=Counter)
    _left_out: Counter[tuple[str, str]] = field(default_factory=Counter)
    _said: Counter[Voice] = field(default_factory=Counter)
    _unheard: Counter[Voice] = field(default_factory=Counter)

    def add(self, found: Found, kept: Found | None) -> None:
        """Count an entry; `kept` is what the caps leave of it."""
        row = found.row
        self._scored[row.source, row.tenant] += found.is_scored
        if kept is None:
            self._left_out[row.source, row.tenant] += found.is_scored
        else:
            self.entries += 1
            self.measured += row.performance is not None
            if kept.worth is not None:
                voice = kept.worth.voice
                self.worth[f"{voice.judge}:{voice.version}"] += 1
        heard = () if kept is None else (kept.judge, kept.worth)
        if found.judge is not None:
            self._count(found.judge, found.judge in heard)
        if found.worth is not None and found.worth is not found.judge:
            self._count(found.worth, found.worth in heard)

    def _count(self, said: Said, heard: bool) -> None:
        self._said[said.voice] += 1
        if not heard:
            self._unheard[said.voice] += 1

    def suspend(self, row: Row) -> None:
        """Count an entry that does not count."""
        self._scored[row.source, row.tenant] += row.performance is not None
        self._left_out[row.source, row.tenant] += row.performance is not None

    def silence(self, voice: Voice) -> None:
        """Count a judgement that does not count."""
        self._said[voice] += 1
        self._unheard[voice] += 1

    def report(self, trust: Trust) -> TrainingReport:
        """Sum up."""
        given: dict[tuple[str, str, str, Level], list[int]] = {}

        def add(kind: str, name: str, gave: str, level: Level, scored: int, left_out: int) -> None:
            counts = given.setdefault((kind, name, gave, level), [0, 0])
            counts[0] += scored
            counts[1] += left_out

        for (source, tenant), n in self._scored.items():
            n_out = self._left_out[source, tenant]
            add("source", source, "entries", level_of_source(trust, source), n, n_out)
            add("tenant", tenant, "entries", level_of_tenant(trust, tenant), n, n_out)
        for voice, n in self._said.items():
            add("source", voice.source, "judgements", voice.level, n, self._unheard[voice])
        names = ("kind", "name", "gave", "level", "scored", "left_out")
        contributions = [
            Contribution.model_validate(dict(zip(names, (*who, *counts), strict=True)))
            for who, counts in sorted(given.items())
        ]
        return TrainingReport(
            entries=self.entries,
            measured=self.measured,
            calibrated=self.worth.total(),
            judges=dict(self.worth),
            contributions=tuple(contributions),
        )
