"""Values of several policies on the same queries, with paired intervals."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fusion_agents.evaluation.bootstrap import interval
from fusion_agents.evaluation.measures import Measure
from fusion_agents.evaluation.off_policy import Terms, refusal_of, resampled_values
from fusion_agents.evaluation.report import Difference, known
from fusion_agents.outcomes import FloatMatrix, IntVector


@dataclass(frozen=True, eq=False)
class Assessment:
    """Estimates of one measure for several policies."""

    values: NDArray[np.float64]
    """Shape (n_policies,), NaN where refused."""
    draws: FloatMatrix
    """Bootstrap values, shape (n_bootstrap, n_policies); all columns share the resamples."""
    ess: NDArray[np.float64]
    """Effective sample sizes, shape (n_policies,)."""
    refusals: tuple[str | None, ...]

    def level(self, policy: int) -> Difference:
        """Value of one policy with its own interval."""
        value = self.values[policy]
        if np.isnan(value):
            return Difference()
        low, high = interval(self.draws[:, policy])
        return Difference(delta=float(value), low=known(low), high=known(high))

    def difference(self, policy: int, baseline: int) -> Difference:
        """Value of one policy less that of another."""
        delta = self.values[policy] - self.values[baseline]
        if np.isnan(delta):
            return Difference()
        low, high = interval(self.draws[:, policy] - self.draws[:, baseline])
        return Difference(delta=float(delta), low=known(low), high=known(high))

    def ratio_saved(self, policy: int, baseline: int) -> Difference:
        """Share of the baseline's value that the policy saves."""
        saved = 1 - self.values[policy] / self.values[baseline]
        if not np.isfinite(saved):
            return Difference()
        low, high = interval(1 - self.draws[:, policy] / self.draws[:, baseline])
        return Difference(delta=float(saved), low=known(low), high=known(high))


def assess(
    measure: Measure,
    policies: Sequence[Terms],
    groups: IntVector,
    *,
    n_bootstrap: int,
    seed: int,
    observed: Sequence[int] = (),
) -> Assessment:
    """Estimate each policy's value, or refuse; those at positions `observed` need no estimate."""
    refusals = tuple(
        None if i in observed else refusal_of(terms, measure.collection)
        for i, terms in enumerate(policies)
    )
    refused = np.array([refusal is not None for refusal in refusals])
    draws = resampled_values(policies, groups, n_bootstrap=n_bootstrap, seed=seed)
    values = np.array([terms.value for terms in policies])
    return Assessment(
        values=np.where(refused, np.nan, values),
        draws=np.where(refused, np.nan, draws),
        ess=np.array([terms.ess for terms in policies]),
        refusals=refusals,
    )
