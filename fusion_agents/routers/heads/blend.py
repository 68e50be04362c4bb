"""Blends heads by what they predict out of fold, and calibrates the result."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fusion_agents.outcomes import FloatMatrix
from fusion_agents.routers.heads.base import Head, parts
from fusion_agents.routers.heads.contrast import contrasted, stretch
from fusion_agents.routers.heads.latent import LatentTaskHead, LatentTaskModel
from fusion_agents.routers.heads.logistic import LogisticHead, LogisticModel
from fusion_agents.routers.heads.neighbours import NeighbourHead, NeighbourModel
from fusion_agents.routers.heads.selection import select
from fusion_agents.routers.heads.tasks import TaskHead, TaskModel, names_tasks
from fusion_agents.routers.interfaces import Batch, Estimate, Sample
from fusion_agents.routers.shrinkage import ArmPrior

FAMILIES = ("task", "latent", "logistic", "neighbours")
"""Kinds of heads, in the order of a blend's weights."""

GROUPED = ("task", "latent")
"""Families that need the least to be known of each arm."""

MOST_CROSSED = 8_192
"""Queries that are cross-validated on; settings do not need more."""

_NO_CHANGE = np.array([1.0, 0.0])

Family = tuple[str, tuple[Head, ...]]


class Choice(NamedTuple):
    """One setting of each family, and how to combine them."""

    settings: dict[str, int]
    """Position of the chosen setting among its family's, by family; those that count."""
    weights: dict[str, float]
    level: NDArray[np.float64]
    """Slope and offset of each query's mean over arms."""


@dataclass(frozen=True, eq=False)
class BlendModel:
    """A weighted sum of heads around the arms' means, with a calibrated level."""

    means: NDArray[np.float64]
    """Shape (n_arms,)."""
    weights: NDArray[np.float64]
    """Of the families in the order of `FAMILIES`; 0 where a family is not used."""
    level: NDArray[np.float64]
    """Slope and offset of each query's mean over arms."""
    neighbours: NeighbourModel
    """Always there, for the standard errors and to tell what is new."""
    contrast: NDArray[np.float64]
    """By how much each arm's deviations from its mean are stretched, shape (n_arms,)."""
    task: TaskModel | None = None
    latent: LatentTaskModel | None = None
    logistic: LogisticModel | None = None

    def predict(self, batch: Batch) -> Estimate:
        """Expect each arm's score; the standard error is that of the nearest logged queries."""
        near = self.neighbours.predict(batch)
        others = (self.task, self.latent, self.logistic)
        heads = [None if head is None else head.predict(batch).mean for head in others]
        blended = combine([*heads, near.mean], self.means, self.weights, self.level)
        return Estimate(stretch(blended, self.means, self.contrast), near.std)


def combine(
    heads: Sequence[FloatMatrix | None],
    means: NDArray[np.float64],
    weights: NDArray[np.float64],
    level: NDArray[np.float64],
) -> FloatMatrix:
    """Add the heads' deviations from the arms' means; then move each query's level."""
    total = sum(
        (w * (head - means) for w, head in zip(weights, heads, strict=True) if head is not None),
        start=np.zeros((1, len(means))),
    )
    raw = means + total
    middle = raw.mean(axis=1, keepdims=True)
    blended: FloatMatrix = raw - middle + level[0] * middle + level[1]
    return blended


def families(sample: Sample) -> list[Family]:
    """The heads that suit a sample, each with the settings to choose from, a cautious one first."""
    chosen: list[Family] = []
    if names_tasks(sample) and all(names_tasks(part.rest) for part in parts(sample)):
        penalties = (np.inf, 300.0, 100.0, 30.0, 10.0)
        chosen.append(("task", tuple(TaskHead(residual_penalty=p) for p in penalties)))
    chosen.append(("latent", tuple(LatentTaskHead(n_clusters=n) for n in (16, 48, 96))))
    chosen.append(("logistic", tuple(LogisticHead(penalty=p) for p in (10.0, 30.0, 3.0, 1.0))))
    chosen.append(("neighbours", tuple(NeighbourHead(k=k) for k in (150, 400, 50))))
    return chosen


def cross_validate(sample: Sample, chosen: Sequence[Family]) -> dict[str, list[FloatMatrix]]:
    """Predict every query by each setting of each family, fitted without the query's fold."""
    predicted = {
        name: [np.empty(sample.scores.shape) for _ in settings] for name, settings in chosen
    }
    for part in parts(sample):
        for name, settings in chosen:
            for head, into in zip(settings, predicted[name], strict=True):
                into[part.inside] = head.fit(part.rest).predict(part.batch).mean
    return predicted


def choose(
    predicted: dict[str, list[FloatMatrix]], scores: FloatMatrix, rows: NDArray[np.bool_]
) -> Choice:
    """Select an ensemble of settings on some queries, and keep each family's main setting.

    The more cells are missing, the less the selection can be trusted: it is averaged, by the share
    of cells that are known, with equal weights for the cautious settings of the families that
    shrink to group means. The others go wrong where an arm was asked about some queries only.
    """
    members = [(name, i) for name, settings in predicted.items() for i in range(len(settings))]
    selected = select([predicted[name][i][rows] for name, i in members], scores[rows])
    grouped = [name for name in predicted if name in GROUPED]
    cautious = np.array([i == 0 and name in grouped for name, i in members]) / len(grouped)
    known = float((~np.isnan(scores[rows])).mean())
    weights = known * selected + (1 - known) * cautious
    settings: dict[str, int] = {}
    total: dict[str, float] = {}
    for name in predicted:
        own = [(float(w), -i) for (n, i), w in zip(members, weights, strict=True) if n == name]
        if sum(w for w, _ in own) > 0:
            settings[name] = -max(own)[1]
            total[name] = sum(w for w, _ in own)
    means = ArmPrior.fit(scores[rows]).filled
    heads = [predicted[name][i][rows] for name, i in settings.items()]
    raw = combine(heads, means, np.array([total[name] for name in settings]), _NO_CHANGE)
    return Choice(settings, total, fit_level(raw, scores[rows]))


def fit_level(raw: FloatMatrix, scores: FloatMatrix) -> NDArray[np.float64]:
    """Slope and offset that make each query's mean over arms right, by least squares."""
    known = ~np.isnan(scores)
    count = known.sum(axis=1)
    x = np.where(known, raw, 0.0).sum(axis=1) / count
    y = np.where(known, scores, 0.0).sum(axis=1) / count
    centre_x, centre_y = np.average(x, weights=count), np.average(y, weights=count)
    spread = np.average((x - centre_x) ** 2, weights=count)
    shared = np.average((x - centre_x) * (y - centre_y), weights=count)
    slope = float(np.clip(shared / spread, 0.0, 2.0)) if spread > 1e-12 else 1.0
    return np.array([slope, centre_y - slope * centre_x])


@dataclass(frozen=True, eq=False)
class FittedBlend:
    """A blend and its own predictions for queries that no part of it had seen."""

    model: BlendModel
    out_of_fold: FloatMatrix
    """Shape (n_queries, n_arms); NaN for queries that were not cross-validated."""
    settings: tuple[str, ...]
    """In words: weight and setting of each family that counts."""


def fit_blend(sample: Sample, most_crossed: int = MOST_CROSSED) -> FittedBlend:
    """Choose settings, weights and level by cross-validation, then fit the heads on everything.

    The blend's own out-of-fold predictions use what the other folds would have chosen.
    """
    drawn = np.random.default_rng(sample.seed).permutation(len(sample.folds))
    rows = np.sort(drawn[:most_crossed])
    crossed = sample.take(rows)
    chosen = families(crossed)
    predicted = cross_validate(crossed, chosen)
    means = ArmPrior.fit(sample.scores).filled
    held_out = np.full(sample.scores.shape, np.nan)
    for fold in np.unique(crossed.folds):
        inside = crossed.folds == fold
        choice = choose(predicted, crossed.scores, inside if inside.all() else ~inside)
        heads = [predicted[name][i][inside] for name, i in choice.settings.items()]
        weights = np.array([choice.weights[name] for name in choice.settings])
        held_out[rows[inside]] = combine(heads, means, weights, choice.level)
    held_out[rows], contrast = contrasted(held_out[rows], crossed.scores, means, crossed.folds)
    choice = choose(predicted, crossed.scores, np.full(len(rows), True))
    recipes = {name: settings[choice.settings.get(name, 0)] for name, settings in chosen}
    used = [name for name in recipes if name in choice.weights or name == "neighbours"]
    model = BlendModel(
        means=means,
        weights=np.array([choice.weights.get(name, 0.0) for name in FAMILIES]),
        level=choice.level,
        contrast=contrast,
        **{name: recipes[name].fit(sample) for name in used},  # type: ignore[arg-type]
    )
    words = tuple(f"{choice.weights[name]:.2f} {recipes[name]}" for name in choice.settings)
    return FittedBlend(model, held_out, words)
