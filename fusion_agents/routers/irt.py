"""Item response theory: the abilities of arms against the difficulty of queries."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fusion_agents.outcomes import FloatMatrix
from fusion_agents.routers.base import Router
from fusion_agents.routers.interfaces import Batch, Estimate, Sample
from fusion_agents.routers.linear import LinearError
from fusion_agents.routers.mf import Factors, fit_factors
from fusion_agents.routers.options import check_least
from fusion_agents.routers.shrinkage import ARM_PRIOR, ArmPrior

FloatVector = NDArray[np.float64]

_N_ITERATIONS = 100
_GAUGE = 0.1
"""Weak penalty on factors; it settles how much of a product is in which factor."""


@dataclass(frozen=True, eq=False)
class ResponseModel:
    """Abilities of arms; discrimination and difficulty of a query from its vector."""

    center: NDArray[np.float32]
    """Mean of the logged vectors, shape (n_dims,)."""
    strength: FloatVector
    """Log odds of an average query, shape (n_arms,); NaN for an arm without any score."""
    ability: FloatMatrix
    """Shape (n_arms, n_abilities)."""
    discrimination: FloatMatrix
    """Shape (n_dims, n_abilities)."""
    difficulty: FloatVector
    """Shape (n_dims,)."""
    error: LinearError

    def predict(self, batch: Batch) -> Estimate:
        """Turn the log odds into expected scores."""
        features = batch.vectors - self.center
        odds = self.strength - (features @ self.difficulty)[:, None]
        odds = odds + (features @ self.discrimination) @ self.ability.T
        return Estimate(_logistic(odds), self.error.std(features))


@dataclass(kw_only=True)
class IRTRouter(Router):
    """Forecast scores by item response theory, with queries described by their vectors.

    The log odds of a full score are the arm's strength, plus its abilities weighed by what the
    query asks for (discrimination), less the query's difficulty; the last two are linear in the
    query's vector, so they are known for new queries. Graded scores enter as probabilities
    (cross-entropy) and missing cells are left out. The fit is the maximum of the likelihood with
    Gaussian priors on difficulty, on the products of discrimination and ability, and on how far an
    arm's strength is from the average, found by L-BFGS from the factors of `mf`, so nothing is
    drawn at random. Standard errors are those of a
    Bayesian linear regression; see `LinearError`.

    Source: IRT-Router (arXiv 2506.01048), multidimensional variant, which learns abilities from
    texts that describe the models; here each arm's are free parameters, so no text is needed.

    Args:
        encoder: Turns query text into vectors; called once per `fit` and once per batch.
        n_abilities: Largest number of abilities of an arm.
        alpha: Strength of the priors, on the scale of `ridge`; 0 chooses it by cross-validation
            of the linear regression.
    """

    name = "irt"
    model = ResponseModel

    n_abilities: int = 5
    alpha: float = 0.0

    def learn(self, sample: Sample) -> ResponseModel:
        """Start from the linear model with the same factors, then maximise the likelihood."""
        check_least(self, n_abilities=1, alpha=0)
        arms = ArmPrior.fit(sample.scores)
        center = sample.vectors.mean(axis=0)
        features = (sample.vectors - center).astype(np.float64)
        linear = fit_factors(features, sample, arms, self.n_abilities, self.alpha)
        chance = np.nan_to_num(arms.mean, nan=0.5)
        slope = max(float(np.mean(chance * (1 - chance))), 0.02)
        problem = Posterior(features, sample.scores, linear, slope)
        start = Parameters(
            strength=_log_odds(chance),
            ability=linear.arm_factors,
            discrimination=linear.query_factors / slope,
            difficulty=-linear.level / slope,
        )
        found = problem.solve(start)
        count = (~np.isnan(sample.scores)).sum(axis=0)
        return ResponseModel(
            center=center,
            strength=np.where(count > 0, found.strength, np.nan),
            ability=found.ability,
            discrimination=found.discrimination,
            difficulty=found.difficulty,
            error=LinearError.fit(features, count, arms, linear.alpha),
        )


class Parameters(NamedTuple):
    """What is fitted; shapes as in `ResponseModel`. Also the shape of a gradient."""

    strength: FloatVector
    ability: FloatMatrix
    discrimination: FloatMatrix
    difficulty: FloatVector


class Posterior:
    """The posterior of the parameters."""

    def __init__(
        self, features: FloatMatrix, scores: FloatMatrix, linear: Factors, slope: float
    ) -> None:
        self.features = features
        self.known = ~np.isnan(scores)
        self.filled = np.where(self.known, scores, 0.0)
        self.penalty = slope * linear.alpha
        self.level_penalty = slope * linear.level_alpha
        self.strength_penalty = slope * ARM_PRIOR
        self.average = _log_odds(np.array([np.nanmean(scores)]))

    def solve(self, start: Parameters) -> Parameters:
        """Find the most likely parameters."""
        from scipy.optimize import minimize  # noqa: PLC0415

        ends = np.cumsum([part.size for part in start])[:-1]

        def unpacked(flat: FloatVector) -> Parameters:
            parts = zip(np.split(flat, ends), start, strict=True)
            return Parameters(*(part.reshape(like.shape) for part, like in parts))

        def objective(flat: FloatVector) -> tuple[float, FloatVector]:
            loss, gradient = self.loss(unpacked(flat))
            return loss, np.concatenate([part.ravel() for part in gradient])

        flat = np.concatenate([part.ravel() for part in start])
        options = {"maxiter": _N_ITERATIONS}
        return unpacked(minimize(objective, flat, jac=True, method="L-BFGS-B", options=options).x)

    def loss(self, at: Parameters) -> tuple[float, Parameters]:
        """Negative logarithm of the posterior, and its gradient."""
        asked = self.features @ at.discrimination
        odds = at.strength + asked @ at.ability.T - (self.features @ at.difficulty)[:, None]
        entropy = np.where(self.known, np.logaddexp(0.0, odds) - self.filled * odds, 0.0)
        slope = np.where(self.known, _logistic(odds) - self.filled, 0.0)
        gauge = _GAUGE * np.eye(at.ability.shape[1])
        abilities = at.ability.T @ at.ability
        asks = at.discrimination.T @ at.discrimination
        penalty = self.penalty * float((abilities * asks).sum())
        penalty += self.level_penalty * float(at.difficulty @ at.difficulty)
        penalty += _GAUGE * (np.trace(abilities) + np.trace(asks))
        penalty += self.strength_penalty * ((at.strength - self.average) ** 2).sum()
        return float(entropy.sum() + penalty / 2.0), Parameters(
            strength=slope.sum(axis=0) + self.strength_penalty * (at.strength - self.average),
            ability=slope.T @ asked + at.ability @ (self.penalty * asks + gauge),
            discrimination=self.features.T @ (slope @ at.ability)
            + at.discrimination @ (self.penalty * abilities + gauge),
            difficulty=self.level_penalty * at.difficulty - self.features.T @ slope.sum(axis=1),
        )


def _log_odds(chance: FloatVector) -> FloatVector:
    bounded = np.clip(chance, 0.02, 0.98)
    odds: FloatVector = np.log(bounded / (1.0 - bounded))
    return odds


def _logistic(odds: FloatMatrix) -> FloatMatrix:
    return 1.0 / (1.0 + np.exp(-np.clip(odds, -60.0, 60.0)))
