"""Collecting: many models answer many queries, and a log is made of it.

The package and its function share a name. Either can be called, as which of them
`from fusion_agents import collect` gives depends on what was imported before.
"""

import sys
from types import ModuleType
from typing import Any

from fusion_agents.collect.collector import POLICY, Collector
from fusion_agents.collect.progress import CollectProgress, CollectSummary
from fusion_agents.collect.run import collect

__all__ = ["POLICY", "CollectProgress", "CollectSummary", "Collector", "collect"]


class _Callable(ModuleType):
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return collect(*args, **kwargs)


sys.modules[__name__].__class__ = _Callable
