"""Out-of-fold forecasts for routers that do not cross-validate themselves."""

from dataclasses import replace

import numpy as np

from fusion_agents.outcomes import Outcomes
from fusion_agents.routers.base import Router
from fusion_agents.routers.canonical import canonical_order
from fusion_agents.routers.interfaces import HeldOut, Measures

MOST_QUERIES = 8_192
"""Queries that are held out; a comparison needs no more."""

_FOLDS = 5
_MEASURES = ("performance", "judge", "cost", "latency")


def keep_out_of_fold(router: Router, outcomes: Outcomes) -> None:
    """Let a fitted router remember what it would have forecast without each query.

    Routers that cross-validate when they are fitted do so already and stay as they are; copies
    of the others are fitted five times, near-duplicates in one fold. No decision changes.

    Args:
        router: Fitted on `outcomes` just now.
        outcomes: What it learned from.
    """
    if router.fitted.held_out is not None:
        return
    rows, _ = canonical_order(outcomes)
    known = outcomes.take(rows)
    folds = known.folds(_FOLDS, seed=router.seed)
    forecast = {name: np.full(known.cost.shape, np.nan, dtype=np.float32) for name in _MEASURES}
    columns = [known.arms.index(arm) for arm in router.fitted.arm_nouns]
    for fold in np.unique(folds):
        inside = folds == fold
        if inside.all():
            return  # a single group of near-duplicates tells nothing
        copy = replace(router).fit(known.take(~inside))
        found = copy.forecast(known.take(inside).queries)
        there = [known.arms.index(arm) for arm in found.arms]
        for name, values in forecast.items():
            values[np.ix_(inside, there)] = getattr(found, name)
    kept = np.arange(known.n_queries)
    if len(kept) > MOST_QUERIES:
        drawn = np.random.default_rng(router.seed).permutation(kept)
        kept = np.sort(drawn[:MOST_QUERIES])
    actual = {name: getattr(known, name).astype(np.float32) for name in _MEASURES}
    propensity = np.nan_to_num(known.propensity, nan=1.0).astype(np.float32)
    router.fitted_ = replace(
        router.fitted,
        held_out=HeldOut(
            Measures(**{name: values[kept][:, columns] for name, values in forecast.items()}),
            Measures(**{name: values[kept][:, columns] for name, values in actual.items()}),
            propensity[kept][:, columns],
            kept.astype(np.int64),
        ),
    )
