"""What routers pass around: samples to learn from, forecasts, decisions, what was learned."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from fusion_agents.encoders.base import Encoder, Vectors
from fusion_agents.objective import Objective, Scales
from fusion_agents.outcomes import FloatMatrix, IntVector
from fusion_agents.routers.quantity import QuantityModel
from fusion_agents.types import Arm, ModelCard, Query

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
    learned: dict[Hashable, NDArray[np.float64]] = field(
        default_factory=dict, repr=False, compare=False
    )
    """What models have learned of this sample that others can use again."""
    cards: tuple[ModelCard | None, ...] = ()
    """What is known of each arm's model before it has answered anything; empty if nothing is."""

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
            learned={},
        )


class ScoreModel(Protocol):
    """A fitted model of one score: a dataclass of arrays, numbers, strings and other models."""

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


class Learned(NamedTuple):
    """A fitted model with its forecasts of the queries that it learned from."""

    model: ScoreModel | None
    out_of_fold: FloatMatrix | None = None
    """Each query's forecast by a model that did not see it, (n_queries, n_arms); none if costly."""


@dataclass(frozen=True, eq=False)
class Measures:
    """The four measures of training queries, each of shape (n_queries, n_arms), NaN if unknown."""

    performance: NDArray[np.float32]
    judge: NDArray[np.float32]
    cost: NDArray[np.float32]
    latency: NDArray[np.float32]

    def utility(self, objective: Objective, scales: Scales) -> FloatMatrix:
        """Weigh them."""
        return objective.utility(
            scales,
            performance=self.performance.astype(np.float64),
            judge=self.judge.astype(np.float64),
            cost=self.cost.astype(np.float64),
            latency=self.latency.astype(np.float64),
        )


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Training queries as forecast by models that had not seen them, and as they turned out."""

    forecast: Measures
    actual: Measures
    propensity: NDArray[np.float32]
    """Probability with which an arm was asked, shape (n_queries, n_arms).

    As logged where the log knows; else the share of queries that the arm answered.
    """
    rows: NDArray[np.int64] | None = None
    """Which of the training queries, in canonical order; none in routers saved without it."""


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
    propensities: FloatMatrix | None = None
    """The same of every arm, shape (n_queries, n_arms); none if the best one always is."""

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
    """Shape (n_arms,), corrected for luck and for which queries an arm answered; or NaN."""
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
    held_out: HeldOut | None = None
    """For routers that cross-validate; at most 8,192 queries."""
    logged: NDArray[np.int64] | None = None
    """A number for each training query in canonical order, to know it again by."""

    @cached_property
    def arm_nouns(self) -> tuple[Arm, ...]:
        """The arms, in the same order."""
        return tuple(map(Arm.parse, self.arms))


class Encoding(NamedTuple):
    """A fitted encoder with the vectors of the outcomes' queries, to share among routers."""

    encoder: Encoder
    vectors: Vectors
