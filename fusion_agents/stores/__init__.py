"""Where things are kept: the routing log in SQLite."""

from fusion_agents.stores.log_filter import LogFilter
from fusion_agents.stores.log_stats import GroupStats, LogStats
from fusion_agents.stores.log_writing import Refusal
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.stores.training import TrainingPolicy, TrainingReport, TrainingSet

__all__ = [
    "GroupStats",
    "LogFilter",
    "LogStats",
    "Refusal",
    "RoutingLog",
    "TrainingPolicy",
    "TrainingReport",
    "TrainingSet",
]
