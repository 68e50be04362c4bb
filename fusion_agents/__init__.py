"""Learns from multi-LLM logs which model, prompted how, should answer a query.

The public names are imported when they are first used, so that importing the package is cheap.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

_HOMES = {
    "AnswerError": "errors",
    "AnswerPolicy": "answering.policy",
    "Arm": "types",
    "ArmForecast": "types",
    "Calibration": "types",
    "ChatFusion": "chat_model",
    "Exploration": "routers.exploration",
    "FusionError": "errors",
    "FusionRouterChain": "chain",
    "FusionRouterMiddleware": "middleware",
    "JudgePolicy": "steps.judging",
    "JudgeWorker": "judging.worker",
    "Judgement": "types",
    "LogEntry": "types",
    "ModelCard": "types",
    "Objective": "objective",
    "Outcomes": "outcomes",
    "Pool": "pool.pool",
    "Query": "types",
    "Refresher": "refreshing.refresher",
    "Route": "types",
    "Router": "routers.base",
    "RoutingLog": "stores.routing_log",
    "TemplateStore": "stores.template_store",
    "ThoughtTemplate": "types",
    "ThoughtTemplateRetriever": "templates.retrieving",
    "Usage": "types",
    "Versions": "refreshing.versions",
    "collect": "collecting",
    "evaluate": "evaluation",
    "judge_log": "judging",
    "load_router": "routers.artefact",
    "make_judge": "judges.catalogue",
    "make_router": "routers",
    "mine_templates": "templates.mining",
    "refresh": "refreshing.refresh",
}

__all__ = [*_HOMES, "__version__"]

if TYPE_CHECKING:
    from fusion_agents.answering.policy import AnswerPolicy as AnswerPolicy
    from fusion_agents.chain import FusionRouterChain as FusionRouterChain
    from fusion_agents.chat_model import ChatFusion as ChatFusion
    from fusion_agents.collecting import collect as collect
    from fusion_agents.errors import AnswerError as AnswerError
    from fusion_agents.errors import FusionError as FusionError
    from fusion_agents.evaluation import evaluate as evaluate
    from fusion_agents.judges.catalogue import make_judge as make_judge
    from fusion_agents.judging import judge_log as judge_log
    from fusion_agents.judging.worker import JudgeWorker as JudgeWorker
    from fusion_agents.middleware import FusionRouterMiddleware as FusionRouterMiddleware
    from fusion_agents.objective import Objective as Objective
    from fusion_agents.outcomes import Outcomes as Outcomes
    from fusion_agents.pool.pool import Pool as Pool
    from fusion_agents.refreshing.refresh import refresh as refresh
    from fusion_agents.refreshing.refresher import Refresher as Refresher
    from fusion_agents.refreshing.versions import Versions as Versions
    from fusion_agents.routers import make_router as make_router
    from fusion_agents.routers.artefact import load_router as load_router
    from fusion_agents.routers.base import Router as Router
    from fusion_agents.routers.exploration import Exploration as Exploration
    from fusion_agents.steps.judging import JudgePolicy as JudgePolicy
    from fusion_agents.stores.routing_log import RoutingLog as RoutingLog
    from fusion_agents.stores.template_store import TemplateStore as TemplateStore
    from fusion_agents.templates.mining import mine_templates as mine_templates
    from fusion_agents.templates.retrieving import (
        ThoughtTemplateRetriever as ThoughtTemplateRetriever,
    )
    from fusion_agents.types import Arm as Arm
    from fusion_agents.types import ArmForecast as ArmForecast
    from fusion_agents.types import Calibration as Calibration
    from fusion_agents.types import Judgement as Judgement
    from fusion_agents.types import LogEntry as LogEntry
    from fusion_agents.types import ModelCard as ModelCard
    from fusion_agents.types import Query as Query
    from fusion_agents.types import Route as Route
    from fusion_agents.types import ThoughtTemplate as ThoughtTemplate
    from fusion_agents.types import Usage as Usage


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
