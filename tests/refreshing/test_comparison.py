from dataclasses import replace

import numpy as np

from fusion_agents.encoders.lexical import LexicalEncoder
from fusion_agents.objective import Objective
from fusion_agents.outcomes import Outcomes
from fusion_agents.refreshing.comparison import chance_of_being_asked, compare, sides_of
from fusion_agents.refreshing.cross_fitting import keep_out_of_fold
from fusion_agents.routers.base import Router
from fusion_agents.routers.best import BestRouter
from fusion_agents.routers.cheapest import CheapestRouter
from fusion_agents.routers.knn import KNNRouter
from fusion_agents.testing.outcomes import make_outcomes

LOG = make_outcomes(240, seed=5)
OBJECTIVE = Objective.parse("performance-first")


def fitted(router: Router, n: int) -> Router:
    past = LOG.take(np.arange(n))
    router.fit(past)
    keep_out_of_fold(router, past)
    return router


KNN = fitted(KNNRouter(k=15, encoder=LexicalEncoder(n_components=8)), 120)
CHEAPEST = fitted(CheapestRouter(), 120)


def explored(rate: float) -> Outcomes:
    """The log as if a router had asked arm 0, and any arm with this probability."""
    rng = np.random.default_rng(0)
    tried = rng.random(LOG.n_queries) < rate
    arm = np.where(tried, rng.integers(LOG.n_arms, size=LOG.n_queries), 0)
    asked = np.eye(LOG.n_arms, dtype=bool)[arm]
    chance = rate / LOG.n_arms + (1 - rate) * (np.arange(LOG.n_arms) == 0)
    return replace(
        LOG,
        performance=np.where(asked, LOG.performance, np.nan),
        cost=np.where(asked, LOG.cost, np.nan),
        propensity=np.where(asked, chance, np.nan),
    )


def test_on_a_complete_log_the_difference_is_what_was_earned_more() -> None:
    new = LOG.take(np.arange(120, 240))
    rows = np.arange(120)
    earned = [
        new.performance[rows, [new.arms.index(a) for a in chosen]]
        for chosen in (
            [r.forecast([]).arms[i] for i in r.decide(new.queries).choice] for r in (CHEAPEST, KNN)
        )
    ]
    difference = compare(CHEAPEST, KNN, new).everywhere
    assert difference is not None
    np.testing.assert_allclose(difference.mean, (earned[1] - earned[0]).mean())
    assert difference.low < difference.mean < difference.high
    assert compare(KNN, CHEAPEST, new).everywhere.mean == -difference.mean


def test_queries_that_were_learned_from_are_decided_by_models_that_had_not_seen_them() -> None:
    perfect = KNNRouter(k=1, prior=0, encoder=LexicalEncoder(n_components=8))
    past = LOG.take(np.arange(120))
    perfect.fit(past)
    keep_out_of_fold(perfect, past)
    shown = compare(CHEAPEST, perfect, past).everywhere
    rows = np.arange(120)
    columns = np.array([past.arms.index(a) for a in perfect.fitted.arm_nouns])
    cheap = np.array([past.arms.index(a) for a in CHEAPEST.fitted.arm_nouns])
    seen = past.performance[rows, columns[perfect.decide(past.queries).choice]]
    gain = (seen - past.performance[rows, cheap[CHEAPEST.decide(past.queries).choice]]).mean()
    assert shown.mean < gain - 0.05


def test_an_explored_log_tells_about_the_same_as_a_complete_one() -> None:
    truth = compare(CHEAPEST, KNN, LOG).everywhere.mean
    told = compare(CHEAPEST, KNN, explored(0.6)).everywhere
    assert told.low < truth < told.high


def test_a_log_that_never_explored_cannot_tell() -> None:
    certain = replace(
        explored(0.0), propensity=np.where(np.eye(3)[0] > 0, 1.0, np.nan)[None].repeat(240, 0)
    )
    comparison = compare(CHEAPEST, KNN, certain)
    assert comparison.everywhere is None
    assert comparison.recent is None


def test_only_queries_that_the_champion_did_not_learn_from_are_recent() -> None:
    comparison = compare(KNN, CHEAPEST, LOG)
    assert comparison.everywhere.n_queries == 240
    assert comparison.recent.n_queries == 120


def test_routers_that_agree_differ_by_nothing() -> None:
    difference = compare(KNN, KNN, LOG).everywhere
    assert (difference.mean, difference.n_different) == (0.0, 0)


def test_a_new_arm_of_the_challenger_is_compared() -> None:
    old = BestRouter().fit(LOG.take_arms([0, 1]))
    keep_out_of_fold(old, LOG.take_arms([0, 1]))
    new = fitted(BestRouter(), 240)
    sides = sides_of(old, new, LOG, OBJECTIVE)
    assert sides.usable.all()


def test_chances_are_one_where_several_arms_were_asked_for_certain() -> None:
    actual = np.array([[1.0, 0.0], [1.0, np.nan], [np.nan, 1.0]])
    propensity = np.array([[1.0, 1.0], [0.9, np.nan], [np.nan, 1.0]])
    chance = chance_of_being_asked(actual, propensity)
    np.testing.assert_array_equal(chance, [[1.0, 1.0], [0.9, 1.0], [np.nan, np.nan]])
