"""What a head is, and its predictions for queries that it has not seen."""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from fusion_agents.routers.interfaces import Batch, Sample, ScoreModel


class Head(Protocol):
    """A recipe with its hyper-parameters fixed."""

    def fit(self, sample: Sample) -> ScoreModel:
        """Learn from scores with missing cells."""


class Part(NamedTuple):
    """One step of cross-validation."""

    inside: NDArray[np.bool_]
    """Which queries are held out, shape (n_queries,)."""
    rest: Sample
    """The others, to learn from."""
    batch: Batch
    """The held-out queries."""


def parts(sample: Sample) -> Iterator[Part]:
    """Hold out one fold after the other; a sample of one fold is held out from itself."""
    for fold in np.unique(sample.folds):
        inside = sample.folds == fold
        held_out = sample.take(inside)
        rest = sample if inside.all() else sample.take(~inside)
        yield Part(inside, rest, Batch(held_out.queries, held_out.vectors))
