"""A router that goes on learning: versions, the gate between them, the way back, and drift."""

from fusion_agents.refreshing.comparison import Comparison, Difference, compare
from fusion_agents.refreshing.drift import Alarm, DriftReport, find_drift
from fusion_agents.refreshing.gate import Gate
from fusion_agents.refreshing.refresh import RefreshReport, refresh
from fusion_agents.refreshing.refresher import Refresher
from fusion_agents.refreshing.versions import History, Version, Versions

__all__ = [
    "Alarm",
    "Comparison",
    "Difference",
    "DriftReport",
    "Gate",
    "History",
    "RefreshReport",
    "Refresher",
    "Version",
    "Versions",
    "compare",
    "find_drift",
    "refresh",
]
