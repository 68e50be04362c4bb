"""Collecting: many models answer many queries, and a log is made of it."""

from fusion_agents.collecting.collector import POLICY, Collector
from fusion_agents.collecting.progress import CollectProgress, CollectSummary
from fusion_agents.collecting.run import collect

__all__ = ["POLICY", "CollectProgress", "CollectSummary", "Collector", "collect"]
