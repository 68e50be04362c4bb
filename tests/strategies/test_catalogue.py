from fusion_agents.strategies import make_strategies, strategy_classes
from fusion_agents.strategies.direct import DirectStrategy


def test_strategies_that_need_no_log_are_made_with_their_defaults() -> None:
    made = make_strategies()
    assert {"direct", "think"} <= set(made)
    assert made["direct"] == DirectStrategy()


def test_strategies_that_need_a_log_are_left_out() -> None:
    assert "few-shot" in strategy_classes()
    assert "few-shot" not in make_strategies()
