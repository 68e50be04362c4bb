"""Strategies by name."""

from fusion_agents.plugins import find_parts
from fusion_agents.strategies.base import Strategy


def strategy_classes() -> dict[str, type[Strategy]]:
    """All strategies by name, in alphabetical order."""
    return find_parts("fusion_agents.strategies", Strategy)


def make_strategies() -> dict[str, Strategy]:
    """Make every strategy that needs no log, with its default options.

    >>> sorted(make_strategies())
    ['direct', 'think']
    """
    return {name: cls() for name, cls in strategy_classes().items() if not cls.needs_log}
