from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest

from fusion_agents.evaluation.contenders import Contest, in_order_of, named_routers
from fusion_agents.evaluation.curve import WEIGHTS, choose
from fusion_agents.evaluation.holdout import hold_out
from fusion_agents.evaluation.report import Evaluation
from fusion_agents.evaluation.run import evaluate
from fusion_agents.objective import Objective
from fusion_agents.outcomes import Outcomes
from fusion_agents.routers.interfaces import Batch, Forecast
from fusion_agents.routers.knn import KNNRouter
from tests.evaluation.logs import KeywordEncoder, specialists


@dataclass(kw_only=True)
class CrossFittedKNN(KNNRouter):
    """Forecasts the training queries of each half by the other half."""

    def out_of_fold(self, outcomes: Outcomes) -> Forecast | None:
        half = outcomes.folds(2)
        parts = [KNNRouter(encoder=KeywordEncoder()).fit(outcomes.take(half != i)) for i in (0, 1)]
        forecasts = [in_order_of(outcomes.arms, part.forecast(outcomes.queries)) for part in parts]
        first = (half == 0)[:, None]
        return Forecast(
            outcomes.arms,
            *(
                np.where(first, getattr(forecasts[0], name), getattr(forecasts[1], name))
                for name in (
                    "performance",
                    "performance_std",
                    "judge",
                    "judge_std",
                    "cost",
                    "latency",
                )
            ),
        )


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    return evaluate(specialists(600), ["knn"], encoder=KeywordEncoder(), n_bootstrap=200)


def test_the_curve_decides_as_the_router_does() -> None:
    objective = Objective.parse("performance-first")
    parts = hold_out(specialists(300), None, objective, test_fraction=0.3, seed=0)
    (name, router), *_ = named_routers(["knn"], KeywordEncoder(), 0)
    contender = Contest(parts, objective).enter(name, router)
    assert contender.encoded is not None
    assert contender.forecast is not None
    vectors = contender.encoded.test
    for weight in WEIGHTS[::8]:
        knob = Objective(name="knob", performance=1.0, cost=weight)
        chosen = choose(router, Batch(parts.test.queries, vectors), contender.forecast, knob)
        decided = router.decide(parts.test.queries, knob, vectors=vectors).choice
        np.testing.assert_array_equal(chosen, decided)


def test_a_larger_weight_on_cost_never_makes_the_curve_dearer(evaluation: Evaluation) -> None:
    points = sorted(evaluation.curve, key=lambda p: p.weight)
    costs = [p.cost for p in points]
    assert len(points) == len(WEIGHTS)
    assert all(b <= a + 1e-9 for a, b in pairwise(costs))


def test_the_curve_starts_where_the_table_says_and_ends_at_the_cheapest_arm(
    evaluation: Evaluation,
) -> None:
    points = sorted(evaluation.curve, key=lambda p: p.weight)
    assert points[0].performance == evaluation.row("knn").performance
    cheapest = min(arm.cost for arm in evaluation.arms)
    assert points[-1].cost == pytest.approx(cheapest)


def test_a_router_that_knows_the_kinds_beats_the_hull_of_single_arms(
    evaluation: Evaluation,
) -> None:
    assert evaluation.areas["knn"] > evaluation.areas["single arms"] + 0.05


def test_savings_chosen_in_hindsight_say_so(evaluation: Evaluation) -> None:
    assert {s.chosen_on for s in evaluation.savings} == {"test, in hindsight"}
    assert all(s.saved.low <= s.saved.delta <= s.saved.high for s in evaluation.savings)


def test_a_router_with_out_of_fold_forecasts_has_its_weight_chosen_on_train() -> None:
    router = CrossFittedKNN(encoder=KeywordEncoder())
    found = evaluate(specialists(600), [router], n_bootstrap=100)
    assert {s.chosen_on for s in found.savings} == {"train, out of fold"}
    assert all(s.weight is not None for s in found.savings)
    points = {p.weight: p for p in found.curve}
    for saving in found.savings:
        assert points[saving.weight or 0.0].cost == saving.cost
    weights = [s.weight or 0.0 for s in found.savings]
    assert weights == sorted(weights)


def test_a_log_without_costs_has_no_curve() -> None:
    log = specialists(200)
    blind = log.take(range(200))
    blind.cost[:] = np.nan
    found = evaluate(blind, ["knn"], encoder=KeywordEncoder(), n_bootstrap=50)
    assert found.curve == ()
    assert found.savings == ()
    assert found.areas == {}
