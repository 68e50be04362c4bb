"""What every router promises, as a test class to subclass.

```python
class TestMyRouter(RouterContract):
    def make(self) -> Router:
        return MyRouter(k=5)
```
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fusion_agents.encoders.base import Vectors
from fusion_agents.encoders.lexical import LexicalEncoder
from fusion_agents.errors import ConfigError, EmptyLogError, ObjectiveError, RouteError
from fusion_agents.objective import Objective
from fusion_agents.outcomes import FloatMatrix, Outcomes
from fusion_agents.routers.artefact import load_router, save_router
from fusion_agents.routers.base import Router
from fusion_agents.routers.interfaces import Decisions, Encoding
from fusion_agents.testing.outcomes import make_outcomes
from fusion_agents.types import Arm, Query

_LAW = settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.differing_executors],
)
_WEIGHTS = st.floats(0.0, 5.0, allow_subnormal=False)
_MEASURES = ("performance", "judge", "cost", "latency", "propensity")


class RouterContract(ABC):
    """Subclass it, name the class `Test...` and give `make`."""

    follows_utility: bool = True
    """Whether it chooses the highest expected utility; False for routers with another rule."""

    needs_costs: bool = False
    """Whether it refuses a log without costs."""

    @abstractmethod
    def make(self) -> Router:
        """Make a new router that was not fitted; always the same."""

    def fitted(self, outcomes: Outcomes) -> Router:
        """Make a router and fit it, with an encoder that is shared to save time."""
        return self.make().fit(outcomes, _encoding(outcomes.queries))

    # -- what a fit depends on --------------------------------------------------------------

    def test_it_fits_with_its_own_encoder(self) -> None:
        log = make_outcomes(40)
        router = self.fitted(log)
        router.fit(log)
        assert len(router.route(log.queries)) == 40

    def test_fit_forgets_earlier_fits(self) -> None:
        log, earlier = make_outcomes(), make_outcomes(60, n_arms=4, seed=1)
        again = self.fitted(log)
        again.fit(earlier, _encoding(earlier.queries)).fit(log, _encoding(log.queries))
        self._assert_same(again, self.fitted(log), log.queries)

    def test_the_order_of_the_rows_changes_nothing(self) -> None:
        log = make_outcomes(missing=0.2)
        order = np.random.default_rng(0).permutation(log.n_queries)
        self._assert_same(self.fitted(log.take(order)), self.fitted(log), log.queries)

    def test_the_order_of_the_arms_changes_nothing(self) -> None:
        log = make_outcomes(missing=0.2)
        self._assert_same(self.fitted(log.take_arms([2, 0, 1])), self.fitted(log), log.queries)

    def test_renaming_arms_renames_the_decisions_and_changes_nothing_else(self) -> None:
        log = make_outcomes(missing=0.2)
        names = {arm: Arm(model=f"z{9 - i}") for i, arm in enumerate(log.arms)}
        renamed = replace(log, arms=tuple(names[arm] for arm in log.arms))
        before = self.fitted(log).route(log.queries)
        after = self.fitted(renamed).route(log.queries)
        assert [route.arm for route in after] == [names[route.arm] for route in before]
        assert [route.utility for route in after] == [route.utility for route in before]

    def test_a_query_that_nobody_answered_changes_nothing(self) -> None:
        log = make_outcomes()
        unanswered = _renumbered(_blank(make_outcomes(20, seed=3)))
        self._assert_same(self.fitted(_joined(log, unanswered)), self.fitted(log), log.queries)

    # -- odd logs ---------------------------------------------------------------------------

    def test_an_empty_log_is_refused(self) -> None:
        router = self.fitted(make_outcomes())
        with pytest.raises(EmptyLogError):
            router.fit(Outcomes.from_entries([]))

    def test_a_log_without_scores_is_refused(self) -> None:
        with pytest.raises(EmptyLogError):
            self.fitted(_blank(make_outcomes(20), keep=("cost",)))

    def test_a_log_of_one_query_is_enough(self) -> None:
        log = make_outcomes(1)
        self._assert_sound(self.fitted(log), log.queries)

    def test_queries_that_are_all_alike_are_enough(self) -> None:
        log = make_outcomes(30)
        same = tuple(query.model_copy(update={"text": "the same"}) for query in log.queries)
        self._assert_sound(self.fitted(replace(log, queries=same)), same)

    def test_a_query_may_stand_in_the_log_many_times(self) -> None:
        log = make_outcomes(40)
        joined = _joined(log, _renumbered(log.take([0] * 30)))
        self._assert_sound(self.fitted(joined), joined.queries)

    def test_a_single_arm_is_always_chosen(self) -> None:
        log = make_outcomes(n_arms=1)
        router = self.fitted(log)
        self._assert_sound(router, log.queries)
        assert {route.arm for route in router.route(log.queries)} == set(log.arms)

    @pytest.mark.parametrize("score", [0.0, 0.5, 1.0])
    def test_an_arm_that_always_scores_the_same_is_sound(self, score: float) -> None:
        log = make_outcomes()
        log.performance[:, 1] = score
        self._assert_sound(self.fitted(log), log.queries)

    def test_scores_that_are_all_the_same_are_sound(self) -> None:
        log = make_outcomes()
        log.performance[:] = 1.0
        self._assert_sound(self.fitted(log), log.queries)

    def test_an_arm_with_three_answers_is_sound(self) -> None:
        log = make_outcomes()
        for name in _MEASURES:
            getattr(log, name)[3:, 1] = np.nan
        self._assert_sound(self.fitted(log), log.queries)

    def test_one_answer_a_query_is_sound(self) -> None:
        log = make_outcomes(missing=1.0)
        assert log.answered.sum() == log.n_queries
        self._assert_sound(self.fitted(log), log.queries)

    def test_an_arm_without_scores_has_no_forecast(self) -> None:
        log = make_outcomes()
        log.performance[:, 1] = np.nan
        router = self.fitted(log)
        arm = router.fitted.arms.index(str(log.arms[1]))
        forecast = router.forecast(log.queries)
        assert np.isnan(forecast.performance[:, arm]).all()
        assert np.isfinite(np.delete(forecast.performance, arm, axis=1)).all()
        if self.follows_utility:
            assert log.arms[1] not in {route.arm for route in router.route(log.queries)}

    def test_a_log_without_costs_is_enough_unless_cost_is_weighed(self) -> None:
        log = make_outcomes(costs=False)
        router = self.fitted(log)
        if self.needs_costs:
            with pytest.raises(ObjectiveError, match="cost"):
                router.decide(log.queries)
            return
        assert np.isnan(router.decide(log.queries).forecast.cost).all()
        if self.follows_utility:
            with pytest.raises(ObjectiveError, match="cost"):
                router.decide(log.queries, "balance")

    def test_judge_scores_alone_are_enough(self) -> None:
        log = make_outcomes(judge=True)
        log.performance[:] = np.nan
        decisions = self.fitted(log).decide(log.queries, "judge")
        assert np.isnan(decisions.forecast.performance).all()
        assert np.isfinite(decisions.forecast.judge).all()

    # -- forecasts and decisions ------------------------------------------------------------

    def test_it_refuses_to_route_before_it_is_fitted(self) -> None:
        with pytest.raises(ConfigError, match="fit"):
            self.make().route(["What is 2 + 2?"])

    def test_forecasts_have_a_row_a_query_and_a_column_an_arm(self) -> None:
        log = make_outcomes(n_arms=5)
        forecast = self.fitted(log).forecast(log.queries[:7])
        assert sorted(map(str, forecast.arms)) == sorted(map(str, log.arms))
        for name in ("performance", "performance_std", "judge", "judge_std", "cost", "latency"):
            assert getattr(forecast, name).shape == (7, 5)

    def test_no_query_gives_no_route(self) -> None:
        router = self.fitted(make_outcomes())
        assert router.forecast([]).performance.shape == (0, 3)
        assert router.decide([], "balance").order.shape == (0, 3)
        assert router.route([]) == []

    def test_the_other_queries_of_a_batch_change_nothing(self) -> None:
        log = make_outcomes()
        router = self.fitted(log)
        for objective in ("performance-first", "balance"):
            together = router.route(log.queries, objective)
            alone = [router.route([query], objective)[0] for query in log.queries]
            assert [route.arm for route in alone] == [route.arm for route in together]
            np.testing.assert_allclose(
                np.array([route.utility for route in alone], dtype=np.float64),
                np.array([route.utility for route in together], dtype=np.float64),
                atol=1e-5,
            )

    def test_a_route_gives_evidence_for_every_arm_the_chosen_one_first(self) -> None:
        log = make_outcomes()
        for route in self.fitted(log).route(log.queries[:10]):
            assert route.ranking[0].arm == route.arm
            assert {forecast.arm for forecast in route.ranking} == set(log.arms)
            assert 0 < route.propensity <= 1
            assert route.reason

    def test_a_saved_router_decides_the_same(self, tmp_path: Path) -> None:
        log = make_outcomes(missing=0.2, judge=True)
        router = self.fitted(log)
        if router.evaluation_only:
            with pytest.raises(ConfigError, match="evaluat"):
                save_router(router, tmp_path)
            return
        save_router(router, tmp_path)
        loaded = load_router(tmp_path)
        self._assert_same(loaded, router, log.queries)
        assert loaded.route(log.queries) == router.route(log.queries)
        assert loaded == replace(router, encoder=loaded.encoder)

    @given(weights=st.tuples(_WEIGHTS, _WEIGHTS))
    @_LAW
    def test_a_higher_weight_on_cost_never_raises_the_mean_cost(
        self, weights: tuple[float, float]
    ) -> None:
        fixed = _fixed(type(self))
        lower, higher = (
            fixed.decide(Objective(performance=1.0, cost=weight)) for weight in sorted(weights)
        )
        if self.follows_utility:
            assert _costs(higher).mean() <= _costs(lower).mean() * (1 + 1e-9)
        else:
            np.testing.assert_array_equal(higher.choice, lower.choice)

    @given(allowed=st.sets(st.sampled_from(range(3)), min_size=1))
    @_LAW
    def test_only_allowed_arms_are_chosen(self, allowed: set[int]) -> None:
        fixed = _fixed(type(self))
        names = tuple(fixed.router.fitted.arms[arm] for arm in allowed)
        choice = fixed.decide(Objective(performance=1.0, arms=names)).choice
        assert set(choice.tolist()) <= allowed
        free = fixed.decide(Objective(performance=1.0)).choice
        stays = np.isin(free, list(allowed))
        np.testing.assert_array_equal(choice[stays], free[stays])

    @given(cap=st.floats(1e-6, 2e-3))
    @_LAW
    def test_no_chosen_arm_is_expected_to_cost_more_than_the_cap(self, cap: float) -> None:
        fixed = _fixed(type(self))
        cheapest = fixed.decide(Objective(performance=1.0)).forecast.cost.min(axis=1)
        objective = Objective(performance=1.0, max_cost=cap)
        if (cheapest > cap).any():
            with pytest.raises(RouteError, match="max_cost"):
                fixed.decide(objective)
        else:
            assert (_costs(fixed.decide(objective)) <= cap).all()

    # -- worth ------------------------------------------------------------------------------

    def test_a_router_that_reads_the_query_beats_the_best_single_arm_where_the_text_tells(
        self,
    ) -> None:
        if not self.make().needs_vectors:
            pytest.skip("it does not read the query")
        split = make_outcomes(400, missing=0.1).split(0.3)
        test = make_outcomes(400).split(0.3).test
        columns = {arm: i for i, arm in enumerate(test.arms)}
        routes = self.fitted(split.train).route(test.queries)
        achieved = [test.performance[i, columns[route.arm]] for i, route in enumerate(routes)]
        assert np.mean(achieved) > test.performance.mean(axis=0).max() + 0.1

    # -- what the tests share ---------------------------------------------------------------

    def _assert_same(self, one: Router, other: Router, queries: Sequence[Query]) -> None:
        vectors = _encoding(queries).vectors
        for objective in ("performance-first", "balance"):
            first, second = (router.decide(queries, objective, vectors) for router in (one, other))
            assert first.forecast.arms == second.forecast.arms
            np.testing.assert_array_equal(first.utilities, second.utilities)
            np.testing.assert_array_equal(first.order, second.order)
            np.testing.assert_array_equal(first.propensity, second.propensity)

    def _assert_sound(self, router: Router, queries: Sequence[Query]) -> None:
        unseen = [*queries, Query(text=""), Query(text="Entirely unlike the others: ¿qué?")]
        forecast = router.forecast(queries if router.evaluation_only else unseen)
        if not router.evaluation_only:
            assert np.isfinite(forecast.performance).all()
            assert np.isfinite(forecast.performance_std).all()
        assert not (forecast.performance_std < 0).any()
        assert np.abs(np.nan_to_num(forecast.performance) - 0.5).max() < 2.0
        assert len(router.route(queries)) == len(queries)


class _Fixed(NamedTuple):
    """A router that was fitted once, and what laws are tried on."""

    router: Router
    queries: tuple[Query, ...]
    vectors: Vectors

    def decide(self, objective: Objective) -> Decisions:
        return self.router.decide(self.queries, objective, self.vectors)


@cache
def _fixed(contract: type[RouterContract]) -> _Fixed:
    log = make_outcomes()
    return _Fixed(contract().fitted(log), log.queries, _encoding(log.queries).vectors)


@cache
def _encoder() -> LexicalEncoder:
    texts = [query.text for query in make_outcomes(400).queries]
    return LexicalEncoder(n_components=24, n_words=400, n_chars=400).fit(texts)


@cache
def _vectors(texts: tuple[str, ...]) -> Vectors:
    return _encoder().encode(texts)


def _encoding(queries: Sequence[Query]) -> Encoding:
    return Encoding(_encoder(), _vectors(tuple(query.text for query in queries)))


def _costs(decisions: Decisions) -> FloatMatrix:
    """Expected cost of the chosen arms, shape (n_queries, 1)."""
    return np.take_along_axis(decisions.forecast.cost, decisions.choice[:, None], axis=1)


def _blank(outcomes: Outcomes, keep: tuple[str, ...] = ()) -> Outcomes:
    """Forget what was measured, in place."""
    for name in _MEASURES:
        if name not in keep:
            getattr(outcomes, name)[:] = np.nan
    return outcomes


def _renumbered(outcomes: Outcomes) -> Outcomes:
    queries = enumerate(outcomes.queries)
    again = tuple(query.model_copy(update={"id": f"again-{i}"}) for i, query in queries)
    return replace(outcomes, queries=again)


def _joined(one: Outcomes, other: Outcomes) -> Outcomes:
    names = (*_MEASURES, "errors")
    stacked: dict[str, Any] = {
        name: np.vstack([getattr(one, name), getattr(other, name)]) for name in names
    }
    return replace(one, queries=one.queries + other.queries, **stacked)
