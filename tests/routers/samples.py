"""Samples of vectors instead of texts, for tests of what routers learn."""

import numpy as np
from numpy.typing import ArrayLike

from fusion_agents.routers.interfaces import Batch, Sample
from fusion_agents.types import Arm, Query


def make_sample(vectors: ArrayLike, scores: ArrayLike, tasks: tuple[str, ...] = ()) -> Sample:
    """Make a sample with five folds that take turns."""
    array = np.asarray(vectors, dtype=np.float32)
    table = np.asarray(scores, dtype=np.float64)
    return Sample(
        queries=tuple(
            Query(text=f"query {i}", task=tasks[i] if tasks else None) for i in range(len(array))
        ),
        vectors=array,
        scores=table,
        arms=tuple(Arm(model=f"m{i}") for i in range(table.shape[1])),
        folds=np.arange(len(array)) % 5,
    )


def make_batch(vectors: ArrayLike, tasks: tuple[str | None, ...] = ()) -> Batch:
    """Make a batch of queries with these vectors."""
    array = np.asarray(vectors, dtype=np.float32)
    queries = [Query(text=f"new {i}", task=tasks[i] if tasks else None) for i in range(len(array))]
    return Batch(queries, array)


def linear_sample(n_queries: int = 600, seed: int = 0) -> Sample:
    """Five dimensions; two arms whose chances depend on the first, in opposite directions."""
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(n_queries, 5)) / np.sqrt(5)
    chance = 0.5 + np.clip(0.6 * vectors[:, :1] * [1.0, -1.0], -0.45, 0.45)
    return make_sample(vectors, random.random((n_queries, 2)) < chance)
