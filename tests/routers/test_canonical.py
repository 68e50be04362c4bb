import numpy as np

from fusion_agents.routers.canonical import canonical_order
from fusion_agents.testing.outcomes import make_outcomes


def test_the_order_follows_from_the_content() -> None:
    log = make_outcomes(50, n_arms=4)
    random = np.random.default_rng(0)
    shuffled = log.take(random.permutation(50)).take_arms(random.permutation(4))
    first, second = (
        outcomes.take(rows).take_arms(columns)
        for outcomes, (rows, columns) in (
            (log, canonical_order(log)),
            (shuffled, canonical_order(shuffled)),
        )
    )
    assert first.queries == second.queries
    assert first.arms == second.arms
    np.testing.assert_array_equal(first.performance, second.performance)


def test_queries_without_scores_are_left_out_and_arms_without_scores_kept() -> None:
    log = make_outcomes(10)
    log.performance[3] = np.nan
    log.performance[:, 1] = np.nan
    rows, columns = canonical_order(log)
    assert sorted(rows) == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    assert sorted(columns) == [0, 1, 2]
