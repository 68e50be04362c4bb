"""Learns from multi-LLM logs which model, prompted how, should answer a query.

The public names are imported when they are first used, so that importing the package is cheap.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

_HOMES = {
    "Arm": "types",
    "ArmForecast": "types",
    "Judgement": "types",
    "LogEntry": "types",
    "ModelCard": "types",
    "Query": "types",
    "Route": "types",
    "Usage": "types",
    "FusionError": "errors",
    "Objective": "objective",
    "Outcomes": "outcomes",
    "RoutingLog": "stores.routing_log",
    "Router": "routers.base",
    "load_router": "routers.artefact",
    "make_router": "routers",
    "evaluate": "evaluation",
}

__all__ = [*_HOMES, "__version__"]

if TYPE_CHECKING:
    from fusion_agents.errors import FusionError as FusionError
    from fusion_agents.objective import Objective as Objective
    from fusion_agents.outcomes import Outcomes as Outcomes
    from fusion_agents.types import Arm as Arm
    from fusion_agents.types import ArmForecast as ArmForecast
    from fusion_agents.types import Judgement as Judgement
    from fusion_agents.types import LogEntry as LogEntry
    from fusion_agents.types import ModelCard as ModelCard
    from fusion_agents.types import Query as Query
    from fusion_agents.types import Route as Route
    from fusion_agents.types import Usage as Usage


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
