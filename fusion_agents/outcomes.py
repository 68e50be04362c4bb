"""The log as arrays: queries x arms, NaN where an arm did not answer."""

import hashlib
import math
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from fusion_agents.errors import ConfigError, DataError
from fusion_agents.near_duplicates import near_duplicate_groups
from fusion_agents.objective import Scale, Scales
from fusion_agents.types import Arm, LogEntry, Query

FloatMatrix = NDArray[np.float64]
IntVector = NDArray[np.int64]

_MEASURES = ("performance", "judge", "cost", "latency", "propensity")


@dataclass(frozen=True, eq=False)
class Outcomes:
    """What each arm achieved at each query.

    All matrices have shape (n_queries, n_arms). NaN means not known: the arm did not answer, its
    call failed, or the value was not measured. Where an arm answered a query several times, each
    value is the mean over its answers.
    """

    queries: tuple[Query, ...]
    arms: tuple[Arm, ...]
    performance: FloatMatrix
    """Task metric in [0, 1]."""
    judge: FloatMatrix
    """Judge score in [0, 1]."""
    cost: FloatMatrix
    """Dollars per answer."""
    latency: FloatMatrix
    """Seconds per answer."""
    propensity: FloatMatrix
    """Probability with which the arm was chosen; 1 for a forced collection."""
    errors: NDArray[np.int64]
    """Number of failed attempts."""

    @staticmethod
    def from_entries(
        entries: Iterable[LogEntry], judgements: Mapping[str, float] | None = None
    ) -> "Outcomes":
        """Collect log entries.

        Args:
            entries: In any order; empty input gives empty matrices.
            judgements: Judge score by entry key.
        """
        builder = OutcomesBuilder()
        scores = judgements or {}
        for entry in entries:
            builder.add(
                entry.query,
                entry.arm,
                performance=entry.performance,
                judge=scores.get(entry.key),
                cost=entry.cost,
                latency=entry.latency,
                propensity=entry.propensity,
                failed=entry.error is not None,
            )
        return builder.build()

    @property
    def n_queries(self) -> int:
        """Number of queries."""
        return len(self.queries)

    @property
    def n_arms(self) -> int:
        """Number of arms."""
        return len(self.arms)

    @cached_property
    def answered(self) -> NDArray[np.bool_]:
        """Where something is known of an answer, shape (n_queries, n_arms)."""
        known: NDArray[np.bool_] = ~(
            np.isnan(self.performance) & np.isnan(self.judge) & np.isnan(self.cost)
        )
        return known

    @cached_property
    def groups(self) -> IntVector:
        """Near-duplicate group of each query, shape (n_queries,)."""
        return near_duplicate_groups([query.text for query in self.queries])

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the content, the same for any order of queries and arms."""
        order = sorted(range(self.n_arms), key=lambda a: str(self.arms[a]))
        digest = hashlib.sha256(_bytes("\n".join(str(self.arms[a]) for a in order)))
        columns = [getattr(self, name)[:, order] for name in _MEASURES]
        rows = (
            hashlib.sha256(
                _bytes(query.id)
                + _bytes(query.text)
                + b"".join(column[i].tobytes() for column in columns)
            ).digest()
            for i, query in enumerate(self.queries)
        )
        for row in sorted(rows):
            digest.update(row)
        return digest.hexdigest()

    def take(self, rows: Sequence[int] | NDArray[np.integer] | NDArray[np.bool_]) -> Self:
        """Keep these queries, in this order."""
        index = np.arange(self.n_queries)[np.asarray(rows)] if len(rows) else np.arange(0)
        taken = replace(
            self,
            queries=tuple(self.queries[i] for i in index),
            errors=self.errors[index],
            **{name: getattr(self, name)[index] for name in _MEASURES},
        )
        if "groups" in self.__dict__:
            taken.__dict__["groups"] = self.groups[index]
        return taken

    def take_arms(self, columns: Sequence[int]) -> Self:
        """Keep these arms, in this order."""
        index = np.asarray(columns, dtype=np.int64)
        taken = replace(
            self,
            arms=tuple(self.arms[i] for i in index),
            errors=self.errors[:, index],
            **{name: getattr(self, name)[:, index] for name in _MEASURES},
        )
        if "groups" in self.__dict__:
            taken.__dict__["groups"] = self.groups
        return taken

    def without_arms(self, names: Iterable[str]) -> Self:
        """Leave out arms, named as `model@strategy`, or as `model` for all its strategies.

        Raises:
            ConfigError: If a name matches no arm.
        """
        dropped: set[int] = set()
        for name in names:
            matching = {i for i, arm in enumerate(self.arms) if name in (arm.model, str(arm))}
            if not matching:
                known = ", ".join(map(str, self.arms))
                raise ConfigError(f"no arm is called {name!r}; the log has {known}")
            dropped |= matching
        return self.take_arms([i for i in range(self.n_arms) if i not in dropped])

    def split(self, test_fraction: float = 0.3, seed: int = 0) -> "Split":
        """Divide by query into train and test; near-duplicates stay on one side.

        The same log gives the same split in whatever order it was read.

        Raises:
            ConfigError: If `test_fraction` is not between 0 and 1.
        """
        if not 0 < test_fraction < 1:
            raise ConfigError(f"test fraction must lie between 0 and 1, not {test_fraction!r}")
        rank = self._shuffled_groups(seed)
        sizes = np.bincount(rank, minlength=int(rank.max(initial=-1)) + 1)
        before = np.concatenate([[0], np.cumsum(sizes)[:-1]]) if len(sizes) else sizes
        in_test = (before + sizes / 2 <= test_fraction * self.n_queries)[rank]
        return Split(self.take(~in_test), self.take(in_test))

    def folds(self, n_folds: int, seed: int = 0) -> IntVector:
        """Number each query's fold for cross-validation, shape (n_queries,), groups kept whole."""
        rank = self._shuffled_groups(seed)
        sizes = np.bincount(rank, minlength=int(rank.max(initial=-1)) + 1)
        middle = np.cumsum(sizes) - sizes / 2
        fold: IntVector = (middle[rank] * n_folds / max(self.n_queries, 1)).astype(np.int64)
        return np.minimum(fold, n_folds - 1)

    def _shuffled_groups(self, seed: int) -> IntVector:
        """Rank of each query's group in a seeded order that does not depend on row order."""
        salt = str(seed).encode()
        first: dict[int, bytes] = {}
        for group, query in zip(self.groups.tolist(), self.queries, strict=True):
            digest = hashlib.blake2b(_bytes(query.text), digest_size=16, key=salt).digest()
            first[group] = min(first.get(group, digest), digest)
        ranks = {group: rank for rank, group in enumerate(sorted(first, key=first.__getitem__))}
        return np.array([ranks[group] for group in self.groups.tolist()], dtype=np.int64)

    def scales(self) -> Scales:
        """Normalisation constants: the means of the cheapest and dearest, fastest and slowest arm.

        Call it on training outcomes only. Where nothing is known, both ends are NaN.
        """
        return Scales(_scale(self.cost), _scale(self.latency))


class Split(NamedTuple):
    """Two parts of a log that share no query."""

    train: Outcomes
    test: Outcomes


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")  # ids and texts may hold lone surrogates


def _scale(values: FloatMatrix) -> Scale:
    known = [column[~np.isnan(column)] for column in values.T]
    means = [math.fsum(column.tolist()) / len(column) for column in known if len(column)]
    return Scale(min(means), max(means)) if means else Scale(np.nan, np.nan)


@dataclass
class OutcomesBuilder:
    """Collects attempts one by one, in memory that grows with numbers, not with responses."""

    _queries: dict[str, int] = field(default_factory=dict)
    _nouns: list[Query] = field(default_factory=list)
    _arms: dict[Arm, int] = field(default_factory=dict)
    _rows: "array[int]" = field(default_factory=lambda: array("l"))
    _columns: "array[int]" = field(default_factory=lambda: array("l"))
    _failed: "array[int]" = field(default_factory=lambda: array("b"))
    _values: dict[str, "array[float]"] = field(
        default_factory=lambda: {name: array("d") for name in _MEASURES}
    )

    def add(
        self,
        query: Query,
        arm: Arm,
        *,
        performance: float | None = None,
        judge: float | None = None,
        cost: float | None = None,
        latency: float | None = None,
        propensity: float | None = None,
        failed: bool = False,
    ) -> None:
        """Add one attempt.

        Raises:
            DataError: If the query's id already stands for another text.
        """
        row = self._queries.setdefault(query.id, len(self._nouns))
        if row == len(self._nouns):
            self._nouns.append(query)
        elif self._nouns[row].text != query.text:
            raise DataError(f"query id {query.id!r} stands for two different texts")
        self._rows.append(row)
        self._columns.append(self._arms.setdefault(arm, len(self._arms)))
        self._failed.append(failed)
        given = (performance, judge, None if failed else cost, None if failed else latency)
        for name, value in zip(_MEASURES, (*given, None if failed else propensity), strict=True):
            self._values[name].append(np.nan if value is None else value)

    def build(self) -> Outcomes:
        """Make the matrices; attempts of one arm at one query are averaged."""
        shape = (len(self._nouns), len(self._arms))
        cells = (np.array(self._rows, dtype=np.int64), np.array(self._columns, dtype=np.int64))
        errors = np.zeros(shape, dtype=np.int64)
        np.add.at(errors, cells, np.array(self._failed, dtype=np.int64))
        means = {name: _cell_means(shape, cells, values) for name, values in self._values.items()}
        return Outcomes(tuple(self._nouns), tuple(self._arms), errors=errors, **means)


def _cell_means(
    shape: tuple[int, int], cells: tuple[IntVector, IntVector], values: "array[float]"
) -> FloatMatrix:
    known = ~np.isnan(given := np.array(values, dtype=np.float64))
    at = (cells[0][known], cells[1][known])
    total, count = np.zeros(shape), np.zeros(shape)
    np.add.at(total, at, given[known])
    np.add.at(count, at, 1.0)
    means: FloatMatrix = np.divide(total, count, out=np.full(shape, np.nan), where=count > 0)
    return means
