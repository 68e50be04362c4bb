"""What routers pass around: samples to learn from, forecasts, decisions, what was learned."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from fusion_agents.encoders.base import Encoder, Vectors
from fusion_agents.objective import Scales
from fusion_agents.outcomes import FloatMatrix, IntVector
from fusion_agents.routers.quantity import QuantityModel
from fusion_agents.types import Arm, Query

BoolVector = NDArray[np.bool_]


class Estimate(NamedTuple):
    """Expected values and their standard errors, both of shape (n_queries, n_arms)."""

    mean: FloatMatrix
    std: FloatMatrix


class Batch(NamedTuple):
    """What is forecast for: queries and their vectors, shape (n_queries, n_dims)."""

    queries: Sequence[Query]
    vectors: Vectors


@dataclass(frozen=True, eq=False)
class Sample:
    """What a model of one score (performance or judge score) learns from."""

    queries: tuple[Query, ...]
    vectors: Vectors
    """Shape (n_queries, n_dims)."""
    scores: FloatMatrix
    """In [0, 1], shape (n_queries, n_arms), NaN where not known; each query has at least one."""
    arms: tuple[Arm, ...]
    folds: IntVector
    """A fold number for each query, five in all; near-duplicates share one."""
    seed: int = 0

    @property
    def tasks(self) -> tuple[str | None, ...]:
        """Task of each query, none where it is not known."""
        return tuple(query.task for query in self.queries)

    def take(self, rows: NDArray[np.integer] | BoolVector) -> "Sample":
        """Keep these queries."""
        index = np.arange(len(self.queries))[rows]
        return replace(
            self,
            queries=tuple(self.queries[i] for i in index),
            vectors=self.vectors[index],
            scores=self.scores[index],
            folds=self.folds[index],
        )


class ScoreModel(Protocol):
    """A fitted model of one score; a dataclass of arrays, numbers, strings and other such models."""

    def predict(self, batch: Batch) -> Estimate:
        """Expect each arm's score; values may lie slightly outside of [0, 1]."""


@dataclass(frozen=True, eq=False)
class Forecast:
    """What a router expects, arrays of shape (n_queries, n_arms); NaN where it knows nothing."""

    arms: tuple[Arm, ...]
    performance: FloatMatrix
    performance_std: FloatMatrix
    judge: FloatMatrix
    judge_std: FloatMatrix
    cost: FloatMatrix
    """Dollars."""
    latency: FloatMatrix
    """Seconds."""


class Utilities(NamedTuple):
    """Utilities that decide, shape (n_queries, n_arms), and what to say of each decision."""

    values: FloatMatrix
    reasons: Sequence[str] | None = None
    """One sentence a query; none for the usual one."""
    propensity: FloatMatrix | None = None
    """Probability with which each arm is chosen; none if the best one always is."""


@dataclass(frozen=True, eq=False)
class Decisions:
    """Decisions for a batch as arrays."""

    forecast: Forecast
    utilities: FloatMatrix
    """NaN where the arm may not be chosen."""
    order: IntVector
    """Indices of the arms, best first, shape (n_queries, n_arms)."""
    propensity: NDArray[np.float64]
    """Probability with which that arm was chosen, shape (n_queries,)."""
    reasons: tuple[str, ...]

    @property
    def choice(self) -> IntVector:
        """Index of the chosen arm, shape (n_queries,)."""
        choice: IntVector = self.order[:, 0]
        return choice


@dataclass(frozen=True, eq=False)
class Fitted:
    """What every router has learned."""

    arms: tuple[str, ...]
    """Names of the arms in canonical order; all arrays follow it."""
    mean_performance: NDArray[np.float64]
    """Shape (n_arms,), corrected for which queries an arm answered; NaN if unknown."""
    mean_judge: NDArray[np.float64]
    n_answers: NDArray[np.int64]
    """Number of queries that each arm answered, shape (n_arms,)."""
    cost: QuantityModel
    latency: QuantityModel
    scales: Scales
    n_queries: int
    fingerprint: str
    """Of the outcomes that were learned from."""
    performance: ScoreModel | None = None
    judge: ScoreModel | None = None


class Encoding(NamedTuple):
    """A fitted encoder with the vectors of the outcomes' queries, to share among routers."""

    encoder: Encoder
    vectors: Vectors
