"""Metrics: how a response is compared with the right answer; one file each."""

from fusion_agents.metrics.base import Metric, Scored
from fusion_agents.metrics.catalogue import make_metric, metric_classes, metric_name, score

__all__ = ["Metric", "Scored", "make_metric", "metric_classes", "metric_name", "score"]
