"""A small neural network that forecasts all arms at once."""

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from fusion_agents.outcomes import FloatMatrix, IntVector
from fusion_agents.routers.base import Router
from fusion_agents.routers.interfaces import Batch, BoolVector, Estimate, Sample
from fusion_agents.routers.linear import fit_ridge
from fusion_agents.routers.options import check_least
from fusion_agents.routers.shrinkage import ARM_PRIOR, ArmPrior

FloatArray = NDArray[np.float32]

_N_NETWORKS = 5
_BATCH = 128
_PATIENCE = 5
"""Passes over the log without a better forecast of the held-out fold before training stops."""


class Network(NamedTuple):
    """The parameters of one network, or as many slopes."""

    hidden: FloatArray
    """Shape (n_dims, n_hidden)."""
    hidden_bias: FloatArray
    """Shape (n_hidden,)."""
    output: FloatArray
    """Shape (n_hidden, n_arms)."""
    output_bias: FloatArray
    """Shape (n_arms,)."""

    @classmethod
    def draw(
        cls, n_dims: int, n_hidden: int, n_arms: int, random: np.random.Generator
    ) -> "Network":
        """Start with hidden units at random and no output."""
        hidden = random.normal(scale=np.sqrt(2.0 / max(n_dims, 1)), size=(n_dims, n_hidden))
        return cls(
            hidden=hidden.astype(np.float32),
            hidden_bias=np.zeros(n_hidden, np.float32),
            output=np.zeros((n_hidden, n_arms), np.float32),
            output_bias=np.zeros(n_arms, np.float32),
        )

    def copy(self) -> "Network":
        """Copy all parameters."""
        return Network(*(part.copy() for part in self))

    def units(self, features: FloatArray) -> FloatArray:
        """Activate the hidden units, shape (n_queries, n_hidden)."""
        active: FloatArray = np.maximum(features @ self.hidden + self.hidden_bias, 0)
        return active

    def forecast(self, features: FloatArray) -> FloatArray:
        """Forecast scores less the arms' means, shape (n_queries, n_arms)."""
        return self.units(features) @ self.output + self.output_bias

    def slopes(self, features: FloatArray, targets: FloatArray, weights: FloatArray) -> "Network":
        """Half the derivatives of the weighted squared error per query."""
        units = self.units(features)
        error: FloatArray = weights * (units @ self.output + self.output_bias - targets)
        error /= len(features)
        back: FloatArray = np.where(units > 0, error @ self.output.T, np.float32(0))
        return Network(features.T @ back, back.sum(axis=0), units.T @ error, error.sum(axis=0))

    def loss(self, features: FloatArray, targets: FloatArray, weights: FloatArray) -> float:
        """Weighted sum of squared errors."""
        return float((weights * (self.forecast(features) - targets) ** 2).sum())


class Lesson(NamedTuple):
    """What a network learns from."""

    features: FloatArray
    """Shape (n_queries, n_dims)."""
    targets: FloatArray
    """Shape (n_queries, n_arms)."""
    weights: FloatArray
    """Of the targets' squared errors, same shape."""

    @classmethod
    def of(cls, features: FloatArray, targets: FloatMatrix, fill: FloatMatrix) -> "Lesson":
        """Fill missing targets, with a total weight of 20 for each arm and at most 1 for each."""
        known = ~np.isnan(targets)
        light = ARM_PRIOR / np.maximum((~known).sum(axis=0), ARM_PRIOR)
        weights = np.where(known, 1.0, light).astype(np.float32)
        return cls(features, np.where(known, targets, fill).astype(np.float32), weights)

    def take(self, rows: BoolVector | IntVector) -> "Lesson":
        """Keep these queries."""
        return Lesson(self.features[rows], self.targets[rows], self.weights[rows])


@dataclass(frozen=True, eq=False)
class NetworkModel:
    """Several networks, stacked along the first axis of each array; shapes as in `Network`."""

    center: FloatArray
    """Mean of the logged vectors, shape (n_dims,)."""
    hidden: FloatArray
    hidden_bias: FloatArray
    output: FloatArray
    output_bias: FloatArray
    arms: ArmPrior

    @classmethod
    def of(cls, networks: list[Network], center: FloatArray, arms: ArmPrior) -> Self:
        """Stack trained networks."""
        hidden, hidden_bias, output, output_bias = map(np.array, zip(*networks, strict=True))
        return cls(center, hidden, hidden_bias, output, output_bias, arms)

    def predict(self, batch: Batch) -> Estimate:
        """Average the networks."""
        features = _scaled(batch.vectors - self.center)
        stacked = zip(self.hidden, self.hidden_bias, self.output, self.output_bias, strict=True)
        forecasts = np.array([Network(*parts).forecast(features) for parts in stacked])
        mean = forecasts.mean(axis=0, dtype=np.float64) + self.arms.mean
        variance = forecasts.var(axis=0, dtype=np.float64) + self.arms.error
        return Estimate(mean, np.sqrt(variance))


@dataclass(kw_only=True)
class MLPRouter(Router):
    """Forecast the scores of all arms by small neural networks.

    A network has one hidden layer (rectified) that all arms share, and is fitted to the scores
    less the arms' means by Adam with weight decay. So that a few lucky answers do not make an arm,
    all missing cells of an arm together count as 20 answers, of the quality that a ridge
    regression on all arms together expects of the query. There are five networks, each trained
    without one fold and stopped when that fold is no longer predicted better; the forecast is
    their mean. The standard error is their disagreement and the error of the arms' means; it
    leaves out what all five have in common, so it is a little too small.

    Source: FusionFactory (arXiv 2507.10540), RouterMLP, which trains a classifier for each arm to
    tell whether it is the single best one, and was run with a single hidden unit; this one fits
    graded scores, all arms together.

    Args:
        encoder: Turns query text into vectors; called once per `fit` and once per batch.
        n_hidden: Units of the hidden layer.
        rate: Step size of Adam.
        decay: Share of the weights' size, per step and unit of rate, by which they shrink.
        n_epochs: Most passes over the log.
    """

    name = "mlp"
    model = NetworkModel

    n_hidden: int = 64
    rate: float = 0.001
    decay: float = 1.0
    n_epochs: int = 60

    def learn(self, sample: Sample) -> NetworkModel:
        """Train one network for each fold."""
        check_least(self, n_hidden=1, rate=0, decay=0, n_epochs=1)
        arms = ArmPrior.fit(sample.scores)
        center = sample.vectors.mean(axis=0)
        centered = sample.vectors - center
        residual = sample.scores - arms.mean
        shared = np.nanmean(residual, axis=1, keepdims=True)
        level = fit_ridge(centered.astype(np.float64), shared, sample.folds).weights
        lesson = Lesson.of(_scaled(centered), residual, centered @ level)
        random = np.random.default_rng(sample.seed)
        networks = [
            self._train(lesson, sample.folds == fold, random) for fold in range(_N_NETWORKS)
        ]
        return NetworkModel.of(networks, center, arms)

    def _train(self, lesson: Lesson, held_out: BoolVector, random: np.random.Generator) -> Network:
        """Train until the held-out queries are no longer predicted better."""
        n_dims, n_arms = lesson.features.shape[1], lesson.targets.shape[1]
        network = Network.draw(n_dims, self.n_hidden, n_arms, random)
        adam = _Adam(network, self.rate, self.decay)
        check = lesson.take(held_out)
        best, best_loss, stale = network.copy(), network.loss(*check), 0
        for _ in range(self.n_epochs):
            order = random.permutation(np.flatnonzero(~held_out))
            for start in range(0, len(order), _BATCH):
                rows = order[start : start + _BATCH]
                adam.step(network.slopes(*lesson.take(rows)))
            loss = network.loss(*check)
            stale += 1
            if loss < best_loss:
                best, best_loss, stale = network.copy(), loss, 0
            if stale == _PATIENCE:
                break
        return best


class _Adam:
    """Adam with decoupled weight decay; changes the network in place."""

    def __init__(self, network: Network, rate: float, decay: float) -> None:
        self.network = network
        self.rate = rate
        self.decay = decay
        self.n_steps = 0
        self.first = [np.zeros_like(part) for part in network]
        self.second = [np.zeros_like(part) for part in network]

    def step(self, slopes: Network) -> None:
        """Move against the slopes."""
        self.n_steps += 1
        rate = self.rate * np.sqrt(1 - 0.999**self.n_steps) / (1 - 0.9**self.n_steps)
        parts = zip(self.network, slopes, self.first, self.second, strict=True)
        for parameters, slope, first, second in parts:
            first += 0.1 * (slope - first)
            second += 0.001 * (slope**2 - second)
            parameters *= 1 - self.rate * self.decay
            parameters -= (rate * first / (np.sqrt(second) + 1e-8)).astype(np.float32)


def _scaled(vectors: FloatArray) -> FloatArray:
    """Bring the entries of unit vectors to about unit size."""
    return vectors * np.float32(np.sqrt(vectors.shape[1]))
