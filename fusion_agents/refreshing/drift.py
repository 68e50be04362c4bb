"""What has changed since a router learned: the arms' quality, what is asked, what it costs.

Each check asks whether recent entries differ from what the router expects by more than chance.
The p-values of all checks of one report are corrected together by Holm's procedure, so a report
on a log in which nothing changed raises any alarm with at most the probability `alpha`. Source:
Holm, "A Simple Sequentially Rejective Multiple Test Procedure" (Scand. J. Statist. 6, 1979).
"""

from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.stats import chi2_contingency, ttest_ind

from fusion_agents.encoders.base import Vectors
from fusion_agents.outcomes import Outcomes
from fusion_agents.refreshing.comparison import columns_of
from fusion_agents.routers.base import Router
from fusion_agents.routers.evidence import query_numbers
from fusion_agents.routers.heads.latent import spherical_k_means
from fusion_agents.routers.interfaces import BoolVector, Forecast
from fusion_agents.types import Noun

Kind = Literal["quality", "price", "queries"]

MIN_EACH = 20
"""Answers, or queries, that a check needs on both sides."""

_CLUSTERS = 8


class Alarm(Noun):
    """One thing that changed."""

    kind: Kind
    name: str
    """The arm; `all` for what is asked."""
    before: float
    """Mean residual of performance, of the logarithm of cost, or the share of the queries."""
    after: float
    p: float = Field(ge=0, le=1)
    """After Holm's correction."""

    def __str__(self) -> str:
        change = self.after - self.before
        match self.kind:
            case "quality":
                return f"{self.name} scores {100 * change:+.1f} points against the forecast"
            case "price":
                return f"{self.name} costs {100 * np.expm1(change):+.0f} % against the forecast"
        return (
            f"what is asked has changed: one kind of query went from {self.before:.0%} to "
            f"{self.after:.0%} of all"
        )


class DriftReport(Noun):
    """What changed between the queries that a router learned from and those that came later."""

    n_before: int
    n_recent: int
    n_checks: int
    alarms: tuple[Alarm, ...] = ()
    """Significant ones, most certain first."""


class _Check(NamedTuple):
    kind: Kind
    name: str
    before: float
    after: float
    p: float


def find_drift(
    router: Router, outcomes: Outcomes, *, alpha: float = 0.01, vectors: Vectors | None = None
) -> DriftReport:
    """Compare what came after a router was fitted with what it learned from.

    * quality: an arm's performance less the forecast by models that had not seen the query
      (Welch's t-test), so a change of what is asked does not count as one of the arm.
    * price: the same of the logarithm of the cost.
    * queries: shares of eight clusters of queries (chi-squared test).

    Args:
        router: The one in use; nothing is reported of one that does not remember its queries.
        outcomes: The log, with old and new queries.
        alpha: Probability of any false alarm.
        vectors: Of the queries by the router's encoder, if they are at hand.
    """
    logged, forecast = router.fitted.logged, router.unseen_forecast(outcomes.queries, vectors)
    if logged is None or forecast is None:
        return DriftReport(n_before=0, n_recent=0, n_checks=0)
    answered = np.asarray(outcomes.answered.any(axis=1))
    old = np.isin(query_numbers(outcomes.queries), logged) & answered
    new = ~old & answered
    checks = [*_of_arms(forecast, outcomes, old, new)]
    if router.needs_vectors and min(old.sum(), new.sum()) >= MIN_EACH:
        if vectors is None:
            vectors = router.encoder_.encode([query.text for query in outcomes.queries])
        checks.append(_of_queries(vectors, old, new, router.seed))
    return DriftReport(
        n_before=int(old.sum()),
        n_recent=int(new.sum()),
        n_checks=len(checks),
        alarms=tuple(_alarms(checks, alpha)),
    )


def _of_arms(
    forecast: Forecast, outcomes: Outcomes, old: BoolVector, new: BoolVector
) -> Iterator[_Check]:
    columns = columns_of(outcomes.arms, forecast.arms)
    with np.errstate(divide="ignore", invalid="ignore"):
        found: tuple[tuple[Kind, NDArray[np.float64], NDArray[np.float64]], ...] = (
            ("quality", outcomes.performance, forecast.performance),
            ("price", np.log(outcomes.cost), np.log(forecast.cost)),
        )
    for kind, actual, expected in found:
        for position, column in enumerate(columns.tolist()):
            if column < 0:
                continue
            residual = actual[:, column] - expected[:, position]
            known = np.isfinite(residual)
            before, after = residual[old & known], residual[new & known]
            if min(len(before), len(after)) >= MIN_EACH:
                p = _welch(before, after)
                name = str(forecast.arms[position])
                yield _Check(kind, name, float(before.mean()), float(after.mean()), p)


def _welch(before: NDArray[np.float64], after: NDArray[np.float64]) -> float:
    spread = max(before.std(), after.std())
    if spread < 1e-9:  # prices per answer may be constant: any change is one
        return float(abs(after.mean() - before.mean()) < 1e-6)
    return float(ttest_ind(before, after, equal_var=False).pvalue)


def _of_queries(vectors: Vectors, old: BoolVector, new: BoolVector, seed: int) -> _Check:
    """Test the clusters' shares; they are found on all queries, so neither side is preferred."""
    both = old | new
    centres = spherical_k_means(vectors[both], _CLUSTERS, seed)
    member = (vectors @ centres.T).argmax(axis=1)
    counts = np.stack(
        [np.bincount(member[side], minlength=len(centres)) for side in (old, new)]
    ).astype(np.float64)
    counts = counts[:, counts.sum(axis=0) > 0]
    shares = counts / counts.sum(axis=1, keepdims=True)
    if counts.shape[1] < 2:
        return _Check("queries", "all", 1.0, 1.0, 1.0)
    p = float(chi2_contingency(counts, correction=False).pvalue)
    most = int(np.abs(shares[1] - shares[0]).argmax())
    return _Check("queries", "all", float(shares[0, most]), float(shares[1, most]), p)


def _alarms(checks: list[_Check], alpha: float) -> Iterator[Alarm]:
    """Holm: the k-th smallest p-value counts times the number of checks that are left."""
    corrected = 0.0
    for rank, check in enumerate(sorted(checks, key=lambda check: check.p)):
        corrected = min(1.0, max(corrected, check.p * (len(checks) - rank)))
        if corrected > alpha:
            return
        yield Alarm(**check._replace(p=corrected)._asdict())
