"""Reading training outcomes: the log as arrays, with only those scores that count.

Entries and judgements are read side by side in the order of the entries, so memory grows with
what is kept of them: numbers, and the keys of the entries that someone limited answers for.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Any

from fusion_agents.outcomes import OutcomesBuilder
from fusion_agents.stores.capping import Caps, Measure, Scored
from fusion_agents.stores.log_filter import LogFilter
from fusion_agents.stores.log_reading import query_at, read_calibrations
from fusion_agents.stores.training import (
    FEEDBACK,
    TrainingPolicy,
    TrainingSet,
    Trust,
    calibration_lines,
    is_suspended,
    level_of_source,
    level_of_tenant,
)
from fusion_agents.stores.training_tally import Found, Row, Said, Tally, Voice
from fusion_agents.types import Arm, Calibration, Query

_NO_MORE: tuple[int, list[Any]] = (2**63, [])


def read_trust(connection: sqlite3.Connection) -> Trust:
    """The levels that somebody has set."""
    rows = connection.execute("SELECT kind, name, level FROM trust")
    return {(kind, name): level for kind, name, level in rows}


def read_training(
    connection: sqlite3.Connection, where: LogFilter, policy: TrainingPolicy
) -> TrainingSet:
    """Collect numbers only, of one state of the log."""
    connection.execute("BEGIN")
    lines = calibration_lines(read_calibrations(connection, None), policy)
    reader = _Reader(connection, where, policy, read_trust(connection), lines)
    return reader.collect(reader.left_out())


@dataclass
class _Reader:
    """Reads the rows of one state of a log."""

    connection: sqlite3.Connection
    where: LogFilter
    policy: TrainingPolicy
    trust: Trust
    lines: Mapping[tuple[str, str], Calibration]
    _voices: dict[tuple[str, str, str], Voice] = field(default_factory=dict)

    def left_out(self) -> dict[Measure, set[int]]:
        """Row numbers of the entries that caps leave out: whole, or without a score."""
        caps = Caps(self.policy)
        if self._may_be_limited():
            for found in self._found(Tally()):
                if found.is_scored:
                    caps.add(self._scored(found))
            caps.settle()
        return caps.out

    def collect(self, out: Mapping[Measure, set[int]]) -> TrainingSet:
        """Make the arrays of what is not left out."""
        builder, tally = OutcomesBuilder(), Tally()
        arms: dict[tuple[str, str], Arm] = {}
        queries: dict[int, Query] = {}
        for row, judge, worth in self._kept(out, tally):
            if (query := queries.get(row.query)) is None:
                query = queries[row.query] = query_at(self.connection, row.query)
            if (arm := arms.get(row[3:5])) is None:
                arm = arms[row[3:5]] = Arm(model=row.model, strategy=row.strategy)
            builder.add(
                query,
                arm,
                performance=row.performance if worth is None else _worth(worth),
                judge=None if judge is None else judge.value,
                cost=row.cost,
                latency=row.latency,
                propensity=row.propensity,
                failed=bool(row.failed),
            )
        return TrainingSet(builder.build(), tally.report(self.trust))

    def _kept(self, out: Mapping[Measure, set[int]], tally: Tally) -> Iterator[Found]:
        touched = set().union(*out.values())
        for found in self._found(tally):
            number = found.row.row
            if number not in touched:
                tally.add(found, found)
                yield found
                continue
            kept = Found(
                found.row,
                None if number in out["judge"] else found.judge,
                None if number in out["performance"] else found.worth,
            )
            tally.add(found, None if number in out["entries"] else kept)
            if number not in out["entries"]:
                yield kept

    def _may_be_limited(self) -> bool:
        """Whether there is any limited name to look for."""
        others = "EXISTS (SELECT 1 FROM entries WHERE tenant != 'default')"
        feedback = "EXISTS (SELECT 1 FROM judgements WHERE judge = ?)"
        (found,) = self.connection.execute(f"SELECT {others} OR {feedback}", (FEEDBACK,)).fetchone()
        return bool(found) or "limited" in self.trust.values()

    def _scored(self, found: Found) -> Scored:
        """The limited names that answer for an entry's scores."""
        row, judge, worth = found
        limited_source = level_of_source(self.trust, row.source) == "limited"
        limited_tenant = level_of_tenant(self.trust, row.tenant) == "limited"
        return Scored(
            row=row.row,
            key=row.key,
            performance=row.performance is not None or worth is not None,
            judge=judge is not None,
            source=row.source if limited_source else None,
            tenant=row.tenant if limited_tenant else None,
            performance_by=worth and worth.voice.limited_source,
            judge_by=judge and judge.voice.limited_source,
        )

    def _found(self, tally: Tally) -> Iterator[Found]:
        """Yield the entries that are not suspended, and count the others."""
        judged = self._judged()
        at, said = next(judged, _NO_MORE)
        for row in self._rows():
            while at < row.row:
                at, said = next(judged, _NO_MORE)
            if self.trust and is_suspended(self.trust, row.source, row.tenant):
                tally.suspend(row)
            elif at == row.row:
                yield self._with(row, said, tally)
            else:
                yield Found(row)

    def _rows(self) -> Iterator[Row]:
        sql, values = self.where.condition()
        rows = self.connection.execute(
            f"""
            SELECT e.id, key, query, model, strategy, performance, cost, latency, propensity,
                error NOTNULL, source, tenant
            FROM entries e WHERE {sql} ORDER BY e.id
            """,
            values,
        )
        return map(Row._make, rows)

    def _judged(self) -> Iterator[tuple[int, list[Any]]]:
        """The scored judgements of each entry, in the order in which they were stored."""
        judges = self.policy.judges
        of = "" if judges is None else f"AND judge IN ({', '.join('?' * len(judges))})"
        rows = self.connection.execute(
            f"""
            SELECT entry, judge, judge_version, source, score FROM judgements
            WHERE score NOTNULL {of} ORDER BY entry, id
            """,
            judges or (),
        )
        for entry, found in groupby(rows, key=itemgetter(0)):
            yield entry, list(found)

    def _with(self, row: Row, judgements: list[Any], tally: Tally) -> Found:
        """Find the judgements that count: the newest, but a trusted source's before a limited's."""
        judge: Said | None = None
        worth: Said | None = None
        for _, name, version, source, score in judgements:
            voice = self._voice(name, version, source)
            if voice.level == "suspended":
                tally.silence(voice)
                continue
            said = Said(score, voice)
            judge = _better(judge, said)
            if voice.line is not None:
                worth = _better(worth, said)
        return Found(row, judge, None if row.performance is not None or row.failed else worth)

    def _voice(self, judge: str, version: str, source: str) -> Voice:
        if (voice := self._voices.get((judge, version, source))) is None:
            level = level_of_source(self.trust, source, judge)
            line = self.lines.get((judge, version))
            voice = self._voices[judge, version, source] = Voice(
                judge, version, source, level, line
            )
        return voice


def _better(old: Said | None, new: Said) -> Said:
    """The one that counts of two, of which the second is newer."""
    keeps = old is not None and old.voice.level == "trusted" and new.voice.level == "limited"
    return old if old is not None and keeps else new


def _worth(said: Said) -> float:
    line = said.voice.line
    assert line is not None
    return line.performance(said.value)
