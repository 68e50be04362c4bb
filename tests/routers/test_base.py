from dataclasses import dataclass, replace

import numpy as np
import pytest

from fusion_agents.encoders.lexical import LexicalEncoder
from fusion_agents.errors import ConfigError, ObjectiveError, RouteError
from fusion_agents.objective import Objective
from fusion_agents.routers.best import BestRouter
from fusion_agents.routers.catalogue import make_router
from fusion_agents.routers.interfaces import Batch, Forecast, Utilities
from fusion_agents.routers.knn import KNNRouter
from fusion_agents.testing.outcomes import make_outcomes
from fusion_agents.types import Arm, Query

LOG = make_outcomes(80)
QUERY = LOG.queries[0]


@dataclass(kw_only=True)
class IndifferentRouter(BestRouter):
    """Finds all arms equally good."""

    def utilities(self, batch: Batch, forecast: Forecast, objective: Objective) -> Utilities:
        return Utilities(np.zeros((len(batch.queries), len(forecast.arms))))


def test_ties_go_to_the_cheaper_arm() -> None:
    route = IndifferentRouter().fit(LOG).route([QUERY])[0]
    assert [str(forecast.arm.model) for forecast in route.ranking] == [
        "model-0",
        "model-1",
        "model-2",
    ]


def test_ties_without_costs_go_to_the_arm_with_the_higher_mean_performance() -> None:
    log = make_outcomes(80, costs=False)
    best = log.arms[int(log.performance.mean(axis=0).argmax())]
    assert IndifferentRouter().fit(log).route([QUERY])[0].arm == best


def test_differences_of_rounding_are_ties() -> None:
    log = make_outcomes(80)
    log.performance[:] = [0.5, 0.2, 0.5 + 1e-12]
    assert BestRouter().fit(log).route([QUERY])[0].arm == log.arms[0]


def test_an_arm_that_may_not_be_chosen_comes_last_and_has_no_utility() -> None:
    route = BestRouter().fit(LOG).route([QUERY], Objective(performance=1.0, arms=("model-2",)))[0]
    assert [forecast.utility is None for forecast in route.ranking] == [False, True, True]
    assert str(route.arm) == "model-2@direct"


def test_a_models_name_allows_all_its_strategies() -> None:
    names = (Arm(model="a"), Arm(model="a", strategy="think"), Arm(model="b"))
    router = BestRouter().fit(replace(LOG, arms=names))
    allowed = router.allowed(Objective(performance=1.0, arms=("a",)))
    assert {name for name, ok in zip(router.fitted.arms, allowed, strict=True) if ok} == {
        "a@direct",
        "a@think",
    }


def test_an_objective_that_allows_an_unknown_arm_is_refused() -> None:
    with pytest.raises(ObjectiveError, match="'model-9'"):
        BestRouter().fit(LOG).route([QUERY], Objective(performance=1.0, arms=("model-9",)))


@pytest.mark.parametrize("cap", ["max_cost", "max_latency"])
def test_caps_that_no_arm_meets_say_so(cap: str) -> None:
    with pytest.raises(RouteError, match="leaves no arm for 1 of 1 queries: raise max_cost"):
        BestRouter().fit(LOG).route([QUERY], f"performance-first,{cap}=1e-9")


def test_under_a_cap_an_arm_of_unknown_cost_is_not_chosen() -> None:
    log = make_outcomes(80)
    log.cost[:, 1:] = np.nan
    routes = KNNRouter(k=20).fit(log).route(log.queries, "performance-first,max_cost=1")
    assert {route.arm.model for route in routes} == {"model-0"}


@pytest.mark.parametrize("objective", ["judge", "balance"])
def test_weighing_what_no_arm_has_is_refused(objective: str) -> None:
    router = BestRouter().fit(make_outcomes(40, costs=False))
    with pytest.raises(ObjectiveError, match="which this log does not have"):
        router.route([QUERY], objective)


def test_texts_and_queries_route_alike() -> None:
    router = KNNRouter(k=20).fit(LOG)
    texts = [query.text for query in LOG.queries]
    assert router.route(texts) == router.route(LOG.queries)


def test_vectors_that_are_at_hand_are_used() -> None:
    router = KNNRouter(k=20, encoder=LexicalEncoder(n_components=8)).fit(LOG)
    vectors = router.encoder_.encode([query.text for query in LOG.queries])
    assert router.route(LOG.queries, vectors=vectors) == router.route(LOG.queries)
    backwards = router.forecast(LOG.queries, vectors=vectors[::-1])
    assert not np.array_equal(backwards.performance, router.forecast(LOG.queries).performance)


def test_a_version_names_the_router_and_the_log() -> None:
    one, same, other = (
        BestRouter().fit(log).version for log in (LOG, make_outcomes(80), make_outcomes(81))
    )
    assert one == same != other
    assert one.startswith("best-")


def test_the_chosen_arms_utility_is_the_highest_that_is_allowed() -> None:
    decisions = KNNRouter(k=20).fit(LOG).decide(LOG.queries, "balance")
    chosen = np.take_along_axis(decisions.utilities, decisions.order[:, :1], axis=1)
    np.testing.assert_allclose(chosen[:, 0], np.nanmax(decisions.utilities, axis=1))


@pytest.mark.parametrize(
    "spec", ["knn:k=0", "cluster:nearest=0", "mf:rank=0", "svm:epsilon=-1", "ridge:alpha=-1"]
)
def test_options_that_make_no_sense_are_refused_by_name(spec: str) -> None:
    name, _, option = spec.partition(":")
    with pytest.raises(ConfigError, match=rf"option {option.partition('=')[0]} of router '{name}'"):
        make_router(spec).fit(LOG)


def test_an_unknown_weighting_is_refused() -> None:
    with pytest.raises(ConfigError, match="similarity, uniform"):
        make_router("knn:weights=banana").fit(LOG)


def test_a_query_without_any_known_word_is_routed() -> None:
    router = KNNRouter(k=20).fit(LOG)
    assert len(router.route(["", "ß", "\ud800", Query(text="x" * 5000)])) == 4
