import pytest

from fusion_agents.evaluation.arena import arena_score


@pytest.mark.parametrize(
    ("performance", "dollars_per_thousand", "published"),
    [(0.1818, 0.0518, 0.1953), (0.781, 0.27, 0.7628)],
)
def test_the_score_reproduces_what_routerarena_published(
    performance: float, dollars_per_thousand: float, published: float
) -> None:
    score = arena_score(performance, dollars_per_thousand / 1000)
    assert score == pytest.approx(published, abs=5e-4)


def test_a_cheaper_router_of_equal_quality_scores_higher() -> None:
    assert arena_score(0.7, 0.0001) > arena_score(0.7, 0.001)


def test_costs_outside_of_the_range_are_clipped() -> None:
    assert arena_score(0.5, 0.0) == arena_score(0.5, 0.0044 / 1000)
    assert arena_score(0.5, 1.0) == 0.0
    assert arena_score(0.0, 1.0) == 0.0
