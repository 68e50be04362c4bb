"""How a log came to know what it knows: which cells, and with what probability."""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fusion_agents.outcomes import FloatMatrix

Kind = Literal["complete", "recorded", "at-random", "certain"]

MOST_SEVERAL = 0.05
"""Largest share of queries with several known arms in a log that chose for certain."""


class Collection(NamedTuple):
    """Why cells are known, and the probability of knowing each, shape (n_queries, n_arms).

    * `complete`: every arm's value is known for every query that has any.
    * `recorded`: arms were drawn, and the log recorded with which probability. Queries that only
      one arm answered, chosen for certain, say nothing of other arms and are not usable.
    * `at-random`: a forced collection with gaps. They are assumed to have nothing to do with the
      query, so the probability is the share of queries for which the arm's value is known.
    * `certain`: one arm a query and no recorded probability below 1: no estimate is possible.
    """

    kind: Kind
    probability: FloatMatrix
    unusable: NDArray[np.bool_]
    """Queries that an estimate has to leave out, shape (n_queries,)."""


def collection_of(values: FloatMatrix, propensity: FloatMatrix) -> Collection:
    """Find out how known values were collected.

    Queries of which nothing is known do not count. Where several arms were drawn for one query,
    they count as that many independent draws, so the probability becomes the expected number of
    draws of the arm.

    Args:
        values: Shape (n_queries, n_arms), NaN where not known.
        propensity: Recorded probabilities, same shape; NaN counts as 1.
    """
    known = ~np.isnan(values)
    counted = known[known.any(axis=1)]
    nowhere = np.zeros(len(values), dtype=bool)
    if counted.all():
        return Collection("complete", np.ones(values.shape), nowhere)
    recorded = np.nan_to_num(propensity, nan=1.0)
    drawn = known & (recorded < 1)
    if drawn.any():
        draws = np.maximum(drawn.sum(axis=1, keepdims=True), 1)
        alone = (known.sum(axis=1) == 1) & ~drawn.any(axis=1)
        return Collection("recorded", np.where(drawn, recorded * draws, 1.0), alone)
    if (counted.sum(axis=1) > 1).mean() <= MOST_SEVERAL:
        return Collection("certain", np.ones(values.shape), nowhere)
    share = np.broadcast_to(counted.mean(axis=0), values.shape)
    return Collection("at-random", share, nowhere)
