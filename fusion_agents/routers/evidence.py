"""What a router would have done with queries that it had not seen."""

import hashlib
from collections.abc import Sequence

import numpy as np

from fusion_agents.outcomes import FloatMatrix, IntVector, Outcomes
from fusion_agents.routers.interfaces import Fitted, Forecast, HeldOut, Measures, Sample
from fusion_agents.routers.quantity import QuantityModel
from fusion_agents.types import Query

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
        rows,
    )


def query_numbers(queries: Sequence[Query]) -> IntVector:
    """A number of 64 bits for each query's id, shape (n_queries,), to know queries again by."""
    digests = (
        hashlib.blake2b(query.id.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        for query in queries
    )
    return np.frombuffer(b"".join(digests), dtype=np.dtype("<i8")).astype(np.int64)


def held_out_rows(fitted: Fitted, queries: Sequence[Query]) -> IntVector:
    """Positions of queries among the held-out forecasts, -1 for those without one."""
    held_out, logged = fitted.held_out, fitted.logged
    if held_out is None or held_out.rows is None or logged is None:
        return np.full(len(queries), -1, dtype=np.int64)
    row = {name: i for i, name in enumerate(logged[held_out.rows].tolist())}
    found = [row.get(name, -1) for name in query_numbers(queries).tolist()]
    return np.array(found, dtype=np.int64)


def out_of_fold(fitted: Fitted, rows: IntVector) -> Forecast:
    """The held-out forecasts at these positions, NaN for -1; their errors are not known."""
    nothing = np.full((len(rows), len(fitted.arms)), np.nan)
    kept = dict.fromkeys(("performance", "judge", "cost", "latency"), nothing)
    if fitted.held_out is not None:
        known, forecast = (rows >= 0)[:, None], fitted.held_out.forecast
        kept = {
            name: np.where(known, getattr(forecast, name)[rows].astype(np.float64), np.nan)
            for name in kept
        }
    return Forecast(arms=fitted.arm_nouns, performance_std=nothing, judge_std=nothing, **kept)


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
