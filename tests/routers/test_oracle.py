import numpy as np
import pytest

from fusion_agents.errors import ConfigError, RouteError
from fusion_agents.routers.oracle import OracleRouter
from fusion_agents.testing.outcomes import make_outcomes

SPLIT = make_outcomes(200, missing=0.2).split(0.3)


def test_it_forecasts_what_happened_and_nothing_where_nothing_is_known() -> None:
    router = OracleRouter(outcomes=SPLIT.test).fit(SPLIT.train)
    forecast = router.forecast(SPLIT.test.queries)
    columns = [SPLIT.test.arms.index(arm) for arm in forecast.arms]
    np.testing.assert_array_equal(forecast.performance, SPLIT.test.performance[:, columns])
    np.testing.assert_array_equal(forecast.cost, SPLIT.test.cost[:, columns])


def test_it_reaches_the_highest_score_of_each_query() -> None:
    router = OracleRouter(outcomes=SPLIT.test).fit(SPLIT.train)
    routes = router.route(SPLIT.test.queries)
    best = np.nanmax(SPLIT.test.performance, axis=1)
    assert [route.utility for route in routes] == best.tolist()


def test_a_query_is_recognised_by_its_text_where_its_id_is_new() -> None:
    router = OracleRouter(outcomes=SPLIT.test).fit(SPLIT.train)
    query = SPLIT.test.queries[0]
    assert router.route([query.text])[0].arm == router.route([query])[0].arm


def test_a_query_that_it_was_not_built_with_is_refused() -> None:
    router = OracleRouter(outcomes=SPLIT.test).fit(SPLIT.train)
    with pytest.raises(RouteError, match="does not know the outcomes of query"):
        router.route([SPLIT.test.queries[0], SPLIT.train.queries[0]])


def test_an_arm_that_the_outcomes_lack_is_unknown() -> None:
    router = OracleRouter(outcomes=SPLIT.test.take_arms([0, 1])).fit(SPLIT.train)
    forecast = router.forecast(SPLIT.test.queries)
    missing = [str(arm) for arm in forecast.arms].index(str(SPLIT.test.arms[2]))
    assert np.isnan(forecast.performance[:, missing]).all()


def test_without_outcomes_it_refuses_to_be_fitted() -> None:
    with pytest.raises(ConfigError, match="OracleRouter"):
        OracleRouter().fit(SPLIT.train)
