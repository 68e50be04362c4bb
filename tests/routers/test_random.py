import numpy as np

from fusion_agents.objective import Objective
from fusion_agents.routers.random import RandomRouter
from fusion_agents.testing.outcomes import make_outcomes
from fusion_agents.types import Query

LOG = make_outcomes(40, n_arms=4)
QUERIES = [f"question {i}" for i in range(2000)]


def test_every_arm_is_about_as_likely_and_says_so() -> None:
    decisions = RandomRouter().fit(LOG).decide(QUERIES)
    shares = np.bincount(decisions.choice, minlength=4) / len(QUERIES)
    assert np.abs(shares - 0.25).max() < 0.04
    assert (decisions.propensity == 0.25).all()


def test_the_propensity_counts_the_allowed_arms_only() -> None:
    objective = Objective(performance=1.0, arms=("model-1", "model-3"))
    decisions = RandomRouter().fit(LOG).decide(QUERIES, objective)
    assert (decisions.propensity == 0.5).all()


def test_a_draw_depends_on_the_seed_and_the_text_and_not_on_the_query_id() -> None:
    first, second = (RandomRouter(seed=seed).fit(LOG) for seed in (0, 1))
    assert not np.array_equal(first.decide(QUERIES).choice, second.decide(QUERIES).choice)
    renamed = [Query(id=f"other-{i}", text=text) for i, text in enumerate(QUERIES)]
    np.testing.assert_array_equal(first.decide(QUERIES).choice, first.decide(renamed).choice)


def test_odd_text_can_be_drawn_for() -> None:
    assert len(RandomRouter().fit(LOG).route(["", "lone \ud800 surrogate", "🙂"])) == 3
