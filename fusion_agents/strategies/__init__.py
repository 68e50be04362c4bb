"""Strategies: how a query becomes the messages that a model is sent; one file each."""

from fusion_agents.strategies.catalogue import make_strategies, strategy_classes

__all__ = ["make_strategies", "strategy_classes"]
