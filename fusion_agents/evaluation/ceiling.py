"""The oracle: how much any router could gain at most."""

from typing import NamedTuple

import numpy as np

from fusion_agents.errors import RouteError
from fusion_agents.evaluation.holdout import HeldOut
from fusion_agents.evaluation.measures import Measure
from fusion_agents.objective import Objective
from fusion_agents.outcomes import IntVector
from fusion_agents.routers.oracle import OracleRouter

_OBSERVED = 0.9
"""Least share of known cells from which the best known arm may stand for the best arm."""


class Ceiling(NamedTuple):
    """The oracle's choices, or none, and what to say of them."""

    choice: IntVector | None
    note: str | None


def ceiling(held_out: HeldOut, utility: Measure, objective: Objective) -> Ceiling:
    """Choose the best known arm for each test query, if nearly all cells are known."""
    if (~np.isnan(utility.values)).mean() < _OBSERVED:
        share = f"{_OBSERVED:.0%}"
        return Ceiling(None, f"fewer than {share} of the test cells are known, so no ceiling is")
    test = held_out.test
    try:
        router = OracleRouter(outcomes=test).fit(held_out.train)
        decisions = router.decide(test.queries, objective)
    except RouteError as error:
        return Ceiling(None, f"{type(error).__name__}: {error}")
    columns = np.array([test.arms.index(arm) for arm in decisions.forecast.arms])
    complete = utility.collection.kind == "complete"
    note = None if complete else "the best of the known cells; the true ceiling is at least as high"
    return Ceiling(columns[decisions.choice], note)
