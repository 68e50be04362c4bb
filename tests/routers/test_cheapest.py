import numpy as np
import pytest

from fusion_agents.errors import ObjectiveError
from fusion_agents.routers.cheapest import CheapestRouter
from fusion_agents.testing.outcomes import make_outcomes


def test_the_arm_with_the_lowest_mean_cost_is_chosen_whatever_is_asked_for() -> None:
    log = make_outcomes(40)
    for objective in ("performance-first", "cost-first", "judge"):
        routes = CheapestRouter().fit(log).route(log.queries, objective)
        assert {str(route.arm) for route in routes} == {"model-0@direct"}


def test_an_arm_of_unknown_cost_is_not_chosen() -> None:
    log = make_outcomes(40)
    log.cost[:, 0] = np.nan
    routes = CheapestRouter().fit(log).route(log.queries)
    assert {str(route.arm) for route in routes} == {"model-1@direct"}


def test_a_log_without_costs_is_refused_even_for_no_query() -> None:
    router = CheapestRouter().fit(make_outcomes(40, costs=False))
    with pytest.raises(ObjectiveError, match="import a log that has them"):
        router.route([])
