"""Routing inside of LangChain's agents: a model for each run, and one model for a tool loop."""

from fusion_agents.middleware.memory import FusionState as FusionState
from fusion_agents.middleware.router import FusionRouterMiddleware as FusionRouterMiddleware
from fusion_agents.middleware.switching import SwitchRule as SwitchRule

__all__ = ["FusionRouterMiddleware", "FusionState", "SwitchRule"]
