"""What a policy would have earned, estimated from a log that another policy made.

Notation: query x_i, the arm a_i = pi(x_i) that the policy to be judged chooses, the value y_i of
that arm if the log knows it, e_i the probability with which the log came to know it, m a forecast
learned from other queries.

* Replay: V = mean(y). Every cell is known, so this is exact for the queries at hand.
* Inverse propensity, self-normalised: V = sum(w y) / sum(w) with w_i = known_i / e_i.
  Source: Swaminathan and Joachims, "The Self-Normalized Estimator for Counterfactual Learning"
  (NeurIPS 2015), equation 9.
* Doubly robust: V = mean(m(x, a)) + sum(w (y - m)) / sum(w): right if the propensities or the
  forecast are. Source: Dudík, Langford and Li, "Doubly Robust Policy Evaluation and Learning"
  (arXiv 1103.4601), equation 1, here with the correction self-normalised.
* Weights are clipped at a tenth of the number of queries, or at its square root where that is
  larger. Source: Ionides, "Truncated Importance Sampling" (J. Comput. Graph. Stat. 17, 2008), who
  takes the square root; that is biased where an arm was tried on few queries, but on purpose.
* Intervals are percentiles of a bootstrap in which the corrections' deviations from their mean are
  widened, see `Terms.widened`: plain ones are too narrow where few answers carry much weight.
* Effective sample size: sum(w)^2 / sum(w^2). Source: Kish, Survey Sampling (1965).
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

from fusion_agents.evaluation.bootstrap import interval, resampled_sums
from fusion_agents.evaluation.collection import Collection, collection_of
from fusion_agents.outcomes import FloatMatrix, IntVector

Method = Literal["replay", "inverse-propensity", "doubly-robust"]

MIN_ESS = 30.0
"""Below this effective sample size there is no estimate."""
_MIN_COVERAGE = 0.8
"""Least mean weight (1 is expected) where it lies clearly below 1."""

_MOST_WEIGHT = 0.1
"""Largest weight of an answer, as a share of the number of queries."""
_LEAST_REST = 0.05
_LEAST_FREEDOM = 3.0
_UPPER = 0.975

_Column = NDArray[np.float64]


class Estimate(NamedTuple):
    """A value with its 95 % interval; all NaN where `refusal` says why there is none."""

    value: float
    low: float
    high: float
    ess: float
    """Effective sample size, in queries."""
    method: Method
    refusal: str | None = None


class Terms(NamedTuple):
    """What a policy's value is made of, each of shape (n_queries,).

    The value is `sum(counted * model) / sum(counted) + sum(weight * residual) / sum(weight)`.
    """

    counted: _Column
    """1 where the log knows any arm's value and can be used, else 0."""
    model: _Column
    """What the forecast expects of the chosen arm; 0 without a forecast."""
    weight: _Column
    """Inverse probability of knowing the chosen arm's value; 0 where it is not known."""
    residual: _Column
    """Known value less the forecast; 0 where it is not known."""

    @property
    def value(self) -> float:
        """The point estimate; NaN if nothing is known."""
        return float(_values(self._columns().sum(axis=0)[None, :])[0, 0])

    @property
    def ess(self) -> float:
        """Effective sample size, in queries."""
        squares = float((self.weight**2).sum())
        return float(self.weight.sum()) ** 2 / squares if squares else 0.0

    def take(self, rows: IntVector | NDArray[np.bool_]) -> "Terms":
        """Keep these queries."""
        return Terms(*(column[rows] for column in self))

    def widened(self) -> "Terms":
        """Terms with the same value whose bootstrap draws spread as far as they should.

        Deviations of the residuals from their weighted mean are multiplied by three factors, all
        of them 1 in the limit, and nothing is done where no answer counts more than once:

        * 1 / (1 - share of the weight): an answer pulls the mean towards itself (the jackknife's
          correction; MacKinnon and White, J. Econometrics 29, 1985, HC3).
        * Student's quantile over the normal one, the effective sample size less one as its degrees
          of freedom.
        * As if one more answer of the largest weight, with a typical deviation, had been seen:
          with few such answers, the next one would often move the mean further than these did.
        """
        if not self.weight.max(initial=0.0) > 1:
            return self
        share = self.weight / self.weight.sum()
        mean = float(share @ self.residual)
        deviation = (self.residual - mean) / np.maximum(1 - share, _LEAST_REST)
        squares = (self.weight * deviation) ** 2
        if not squares.any():
            return self
        freedom = max(self.ess - 1, _LEAST_FREEDOM)
        unseen = self.weight.max() ** 2 * float(share @ deviation**2) / squares.sum()
        factor = stdtrit(freedom, _UPPER) / ndtri(_UPPER) * np.sqrt(1 + unseen)
        moved = deviation * factor
        return self._replace(residual=mean + moved - share @ moved)

    def _columns(self) -> FloatMatrix:
        return np.column_stack(
            [self.counted, self.counted * self.model, self.weight, self.weight * self.residual]
        )


def terms_of(
    values: FloatMatrix,
    choice: IntVector,
    collection: Collection,
    model: FloatMatrix | None = None,
) -> Terms:
    """Put together the terms of one policy.

    Args:
        values: Shape (n_queries, n_arms), NaN where not known.
        choice: Arm that the policy chooses for each query, shape (n_queries,).
        collection: How the known cells came to be known.
        model: What a forecast from other queries expects, shape (n_queries, n_arms); not used on
            a complete log.
    """
    rows = np.arange(len(values))
    chosen = values[rows, choice]
    known = ~np.isnan(chosen) & ~collection.unusable
    usable = np.any(~np.isnan(values), axis=1) & ~collection.unusable
    counted: _Column = usable.astype(np.float64)
    expected = np.zeros(len(values))
    if model is not None and collection.kind != "complete":
        expected = np.nan_to_num(model[rows, choice], nan=0.0)
    probability = np.where(known, collection.probability[rows, choice], 1.0)
    n = max(counted.sum(), 1.0)
    weight = np.minimum(known / probability, max(_MOST_WEIGHT * n, np.sqrt(n)))
    return Terms(counted, expected, weight, np.where(known, chosen - expected, 0.0))


def refusal_of(terms: Terms, collection: Collection) -> str | None:
    """Say why there can be no estimate, or none."""
    if collection.kind == "complete":
        return None
    if collection.kind == "certain":
        return (
            "the log knows one arm a query, chosen for certain, so nothing says what another arm "
            "would have done: log with exploration, or collect several arms' answers"
        )
    if terms.ess < MIN_ESS:
        return (
            f"the log answers like this policy for too few queries: effective sample size "
            f"{terms.ess:.0f}, at least {MIN_ESS:.0f} are needed"
        )
    weight = terms.weight[terms.counted > 0]
    mean, error = float(weight.mean()), float(weight.std() / np.sqrt(len(weight)))
    if mean < _MIN_COVERAGE and mean + 5 * error < 1:
        return (
            f"the log never tried this policy's arms on about {1 - mean:.0%} of the queries "
            "where it would choose them"
        )
    return None


def resampled_values(
    policies: Sequence[Terms], groups: IntVector, *, n_bootstrap: int, seed: int
) -> FloatMatrix:
    """Values of several policies on the same resampled queries, (n_bootstrap, n_policies)."""
    columns = np.hstack([terms.widened()._columns() for terms in policies])
    return _values(resampled_sums(columns, groups, n_bootstrap=n_bootstrap, seed=seed))


def off_policy_value(
    values: FloatMatrix,
    propensity: FloatMatrix,
    choice: IntVector,
    *,
    model: FloatMatrix | None = None,
    groups: IntVector | None = None,
    n_bootstrap: int = 2000,
    seed: int = 0,
) -> Estimate:
    """Estimate the mean value of a policy from a log.

    Args:
        values: What the log knows, shape (n_queries, n_arms), NaN where not known.
        propensity: Probability with which each known answer's arm was chosen, same shape; 1 or
            NaN for a forced collection.
        choice: Arm that the policy chooses for each query, shape (n_queries,).
        model: Forecast from other queries, same shape as `values`; with it the estimate is
            doubly robust, without it inverse propensity. Not used if every cell is known.
        groups: Near-duplicate group of each query; none if all are independent.
        n_bootstrap: Number of bootstrap draws.
        seed: For the draws.

    Returns:
        NaN with a refusal where the log cannot tell.

    >>> values = np.array([[1.0, 0.0], [0.0, 1.0]])
    >>> off_policy_value(values, np.ones((2, 2)), np.array([0, 1])).value
    1.0
    """
    collection = collection_of(values, propensity)
    terms = terms_of(values, choice, collection, model)
    method = method_of(collection, model)
    refusal = refusal_of(terms, collection)
    if refusal is not None:
        return Estimate(np.nan, np.nan, np.nan, terms.ess, method, refusal)
    labels = np.arange(len(values)) if groups is None else groups
    draws = resampled_values([terms], labels, n_bootstrap=n_bootstrap, seed=seed)
    return Estimate(terms.value, *interval(draws[:, 0]), terms.ess, method)


def method_of(collection: Collection, model: FloatMatrix | None) -> Method:
    """Which formula an estimate follows."""
    if collection.kind == "complete":
        return "replay"
    return "inverse-propensity" if model is None else "doubly-robust"


def _values(sums: FloatMatrix) -> FloatMatrix:
    """Values from sums of the four columns of each policy, (n, 4 * n_policies)."""
    counted, model, weight, residual = (sums[:, start::4] for start in range(4))
    with np.errstate(divide="ignore", invalid="ignore"):
        value: FloatMatrix = model / counted + residual / weight
    return value
