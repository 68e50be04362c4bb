"""What a router would have done with queries that it had not seen."""

import numpy as np

from fusion_agents.outcomes import FloatMatrix, Outcomes
from fusion_agents.routers.interfaces import HeldOut, Measures, Sample
from fusion_agents.routers.quantity import QuantityModel

MOST_QUERIES = 8_192
"""Held-out queries that are kept; more make no decision better."""


def hold_out(
    sample: Sample, outcomes: Outcomes, performance: FloatMatrix | None, judge: FloatMatrix | None
) -> HeldOut | None:
    """Set out-of-fold forecasts beside what happened; none if there are no such forecasts.

    Args:
        sample: The training queries with their vectors and folds.
        outcomes: What happened, in the same order.
        performance: Out-of-fold forecasts, shape (n_queries, n_arms), NaN where there are none.
        judge: The same of the judge score.
    """
    if performance is None and judge is None:
        return None
    nothing = np.full(outcomes.cost.shape, np.nan)
    forecast = {
        "performance": nothing if performance is None else performance,
        "judge": nothing if judge is None else judge,
        "cost": _quantity_out_of_fold(sample, outcomes.cost),
        "latency": _quantity_out_of_fold(sample, outcomes.latency),
    }
    known = ~(np.isnan(forecast["performance"]) & np.isnan(forecast["judge"])).all(axis=1)
    rows = np.flatnonzero(known)
    if len(rows) > MOST_QUERIES:
        rows = np.sort(np.random.default_rng(sample.seed).permutation(rows)[:MOST_QUERIES])
    actual = {name: getattr(outcomes, name) for name in forecast}
    return HeldOut(
        Measures(**{name: values[rows].astype(np.float32) for name, values in forecast.items()}),
        Measures(**{name: values[rows].astype(np.float32) for name, values in actual.items()}),
        _chance_of_being_asked(outcomes)[rows].astype(np.float32),
    )


def _chance_of_being_asked(outcomes: Outcomes) -> FloatMatrix:
    share = np.broadcast_to(outcomes.answered.mean(axis=0), outcomes.cost.shape)
    logged = outcomes.propensity
    if not (logged < 1).any():  # a forced collection: cells are missing for other reasons
        return share
    return np.where(np.isnan(logged), share, logged)


def _quantity_out_of_fold(sample: Sample, values: FloatMatrix) -> FloatMatrix:
    predicted = np.full(values.shape, np.nan)
    if np.isnan(values).all():
        return predicted
    for fold in np.unique(sample.folds):
        inside = sample.folds == fold
        rest = ~inside if (~inside).any() else inside
        known, asked = (
            [query for query, keep in zip(sample.queries, rows, strict=True) if keep]
            for rows in (rest, inside)
        )
        model = QuantityModel.fit(known, sample.vectors[rest], values[rest])
        predicted[inside] = model.predict(asked, sample.vectors[inside])
    return predicted
