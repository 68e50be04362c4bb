"""Small logs with known answers, and an encoder that sees their keywords."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fusion_agents.encoders.base import Encoder, Vectors
from fusion_agents.outcomes import FloatMatrix, Outcomes
from fusion_agents.types import Arm, Query

_KINDS = ("sum", "poem", "fact")
_WORDS = ("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heron", "islet", "jetty")


def outcomes_of(
    performance: Sequence[Sequence[float]] | FloatMatrix,
    *,
    cost: Sequence[Sequence[float]] | FloatMatrix | None = None,
    judge: Sequence[Sequence[float]] | FloatMatrix | None = None,
    propensity: Sequence[Sequence[float]] | FloatMatrix | None = None,
    errors: Sequence[Sequence[int]] | None = None,
    texts: Sequence[str] | None = None,
    tasks: Sequence[str | None] | None = None,
    arms: Sequence[str] | None = None,
) -> Outcomes:
    """Outcomes from rows of numbers; queries that are not named are all different."""
    shape = np.shape(performance)

    def matrix(values: Sequence[Sequence[float]] | FloatMatrix | None) -> FloatMatrix:
        return np.full(shape, np.nan) if values is None else np.asarray(values, dtype=np.float64)

    names = arms or [f"arm{i}" for i in range(shape[1])]
    texts = texts or [text_of(i) for i in range(shape[0])]
    tasks = tasks or [None] * shape[0]
    return Outcomes(
        queries=tuple(Query(text=t, task=task) for t, task in zip(texts, tasks, strict=True)),
        arms=tuple(Arm.parse(name) for name in names),
        performance=matrix(performance),
        judge=matrix(judge),
        cost=matrix(cost),
        latency=matrix(None),
        propensity=matrix(propensity),
        errors=np.zeros(shape, dtype=np.int64) if errors is None else np.array(errors),
    )


def text_of(i: int, kind: str = "query") -> str:
    """A text of its own: no two share three words in a row."""
    digits = [_WORDS[int(digit)] + digit + str(i) for digit in f"{i:04d}"]
    return f"{kind} {' '.join(digits)}"


def specialists(n: int = 400, seed: int = 0, gain: float = 0.5) -> Outcomes:
    """Three kinds of query, each with an arm that is better at it; arm0 is best overall."""
    rng = np.random.default_rng(seed)
    kinds = rng.choice(3, size=n, p=[0.4, 0.3, 0.3])
    chance = np.full((n, 3), 0.8 - gain)
    chance[np.arange(n), kinds] = 0.8
    price = np.array([0.004, 0.001, 0.002])
    return outcomes_of(
        (rng.random((n, 3)) < chance).astype(float),
        cost=price * rng.uniform(0.5, 1.5, size=(n, 1)),
        texts=[text_of(i, _KINDS[kind]) for i, kind in enumerate(kinds)],
        tasks=[_KINDS[kind] for kind in kinds],
        arms=["big@direct", "small@direct", "middle@think"],
    )


@dataclass(kw_only=True)
class KeywordEncoder(Encoder):
    """A unit vector for the text's first word."""

    name = "keyword"
    saveable = False

    def encode(self, texts: Sequence[str]) -> Vectors:
        vectors = np.zeros((len(texts), len(_KINDS) + 1), dtype=np.float32)
        for i, text in enumerate(texts):
            word = text.split(" ")[0]
            vectors[i, _KINDS.index(word) if word in _KINDS else len(_KINDS)] = 1.0
        return vectors

    @property
    def identity(self) -> str:
        return "keyword"
