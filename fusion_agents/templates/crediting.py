"""How much each thought template helps: what answers gain by it, shared with those beside it."""

from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.stats import norm

from fusion_agents.outcomes import FloatMatrix, IntVector
from fusion_agents.templates.uses import Use

FloatVector = NDArray[np.float64]

_SPREADS = (0.03, 0.1, 0.3)
"""Standard deviations of the templates' lifts that are tried."""
_FOLDS = 5
_DRAWS_AT_ONCE = 50
_ROUNDS = 60
_TOLERANCE = 1e-5

Unit = TypeVar("Unit", bound=Hashable)


class Credit(NamedTuple):
    """What one template (or a template on a task, or all of them) is worth."""

    uses: int
    """Answers that it was in front of."""
    queries: int
    paired: int
    """Uses where the same model answered the same query without, too."""
    lift: float
    """Expected gain in performance by a prompt made of its like; in [-1, 1]."""
    low: float
    high: float
    """Of the 95 % interval."""
    p_harmful: float
    """One-sided probability of seeing this by chance if it did no harm."""


def credit(
    uses: Sequence[Use],
    units: Callable[[Use], Sequence[Unit]],
    *,
    n_draws: int = 400,
    seed: int = 0,
) -> dict[Unit, Credit]:
    """Share out what answers gained among the units that were in front of them.

    The gain of an answer is the mean of its units' lifts, and noise. Lifts vary around the overall
    one, by as much as predicts the gains of other queries best, so that a unit with few uses gets
    nearly the overall lift. A unit is not blamed for the one beside it if they were also used
    apart. Intervals are percentiles of `n_draws` draws, each with other weights of the queries
    (exponential, all uses of a query alike) and other lifts to shrink towards: they are as wide as
    what is not known of units with few uses. Sources: Rubin, "The Bayesian Bootstrap" (1981);
    Papandreou and Yuille, "Gaussian Sampling by Local Perturbations" (2010).

    Args:
        uses: Of answers with templates.
        units: What is credited for a use, such as its templates; at least one.
        n_draws: For the intervals.
        seed: Of those draws.

    Returns:
        The credit of each unit, in the order in which they first appear.
    """
    if not uses:
        return {}
    names = list(dict.fromkeys(unit for use in uses for unit in units(use)))
    problem = _problem(uses, [units(use) for use in uses], {u: i for i, u in enumerate(names)})
    spread = _best_spread(problem, seed)
    lifts = _solve(problem, spread, np.ones((len(uses), 1)))[:, 0]
    draws = _draws(problem, spread, n_draws, seed)
    low, high = np.quantile(draws, [0.025, 0.975], axis=1)
    harm = norm.cdf(lifts / np.maximum(draws.std(axis=1), 1e-9))
    counts = _counts(uses, problem, len(names))
    return {
        name: Credit(*counts[i], float(lifts[i]), float(low[i]), float(high[i]), float(harm[i]))
        for i, name in enumerate(names)
    }


class _Problem(NamedTuple):
    shares: csr_array
    """Shape (n_uses, n_units): one over the number of units of a use."""
    lifts: FloatVector
    weights: FloatVector
    queries: IntVector
    """Number of each use's query."""


def _problem(
    uses: Sequence[Use], units: Sequence[Sequence[Unit]], numbers: dict[Unit, int]
) -> _Problem:
    rows = np.repeat(np.arange(len(uses)), [len(found) for found in units])
    columns = [numbers[unit] for found in units for unit in found]
    values = [1 / len(found) for found in units for _ in found]
    _, queries = np.unique([use.query_id for use in uses], return_inverse=True)
    return _Problem(
        csr_array((values, (rows, columns)), shape=(len(uses), len(numbers))),
        np.array([use.lift for use in uses]),
        np.array([use.weight for use in uses]),
        queries,
    )


def _counts(uses: Sequence[Use], problem: _Problem, n: int) -> list[tuple[int, int, int]]:
    """Uses, queries and paired uses of each unit."""
    by_unit = problem.shares.tocsc()
    paired = np.array([use.paired for use in uses])
    rows = [by_unit.indices[by_unit.indptr[i] : by_unit.indptr[i + 1]] for i in range(n)]
    return [
        (len(row), len(np.unique(problem.queries[row])), int(paired[row].sum())) for row in rows
    ]


def _draws(problem: _Problem, spread: float, n_draws: int, seed: int) -> FloatMatrix:
    """Lifts under other weights of the queries, shape (n_units, n_draws)."""
    rng = np.random.default_rng(seed)
    n_queries, n_units = int(problem.queries.max()) + 1, problem.shares.shape[1]
    drawn = []
    for start in range(0, n_draws, _DRAWS_AT_ONCE):
        size = min(_DRAWS_AT_ONCE, n_draws - start)
        weights = rng.exponential(size=(n_queries, size))[problem.queries]
        drawn.append(_solve(problem, spread, weights, rng.normal(size=(n_units, size))))
    return np.hstack(drawn)


def _best_spread(problem: _Problem, seed: int) -> float:
    """The spread whose lifts predict the gains of queries that were left out best."""
    n_queries = int(problem.queries.max()) + 1
    fold = np.random.default_rng(seed).integers(_FOLDS, size=n_queries)[problem.queries]
    kept = (fold[:, None] != np.arange(_FOLDS)).astype(float)
    errors = []
    for spread in _SPREADS:
        forecast = problem.shares @ _solve(problem, spread, kept)
        missed = (problem.lifts[:, None] - forecast) ** 2 * (1 - kept)
        errors.append(float((problem.weights[:, None] * missed).sum()))
    return _SPREADS[int(np.argmin(errors))]


def _solve(
    problem: _Problem, spread: float, weights: FloatMatrix, noise: FloatMatrix | None = None
) -> FloatMatrix:
    """Lifts that fit the gains, shrunk towards the overall one.

    Args:
        problem: The gains.
        spread: Standard deviation of lifts.
        weights: Of the uses beside their own, shape (n_uses, n_problems).
        noise: How far from the overall lift, in spreads, each unit is shrunk towards; shape
            (n_units, n_problems).

    Returns:
        Shape (n_units, n_problems).
    """
    used = weights * problem.weights[:, None]
    total = np.maximum(used.sum(axis=0), 1e-9)
    overall = problem.lifts @ used / total
    gains = problem.lifts[:, None] - overall
    scatter = (used * gains**2).sum(axis=0) / total + 1e-4
    ridge = scatter / spread**2
    target = np.zeros((problem.shares.shape[1], weights.shape[1]))
    if noise is not None:
        target = spread * noise
    right = problem.shares.T @ (used * gains) + ridge * target

    def normal(lifts: FloatMatrix) -> FloatMatrix:
        product: FloatMatrix = problem.shares.T @ (used * (problem.shares @ lifts)) + ridge * lifts
        return product

    found: FloatMatrix = overall + _conjugate_gradient(normal, right, target)
    return found


def _conjugate_gradient(
    normal: Callable[[FloatMatrix], FloatMatrix], right: FloatMatrix, start: FloatMatrix
) -> FloatMatrix:
    """Solve a positive definite system for each column."""
    found = start.copy()
    residual = right - normal(found)
    direction = residual
    square = (residual**2).sum(axis=0)
    for _ in range(_ROUNDS):
        if square.max(initial=0.0) < _TOLERANCE**2:
            break
        turned = normal(direction)
        step = square / np.maximum((direction * turned).sum(axis=0), 1e-30)
        found = found + step * direction
        residual = residual - step * turned
        before, square = square, (residual**2).sum(axis=0)
        direction = residual + square / np.maximum(before, 1e-30) * direction
    return found
