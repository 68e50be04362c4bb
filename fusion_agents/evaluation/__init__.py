"""Evaluation: what routing would have earned on held-out queries."""

from fusion_agents.evaluation.off_policy import Estimate, off_policy_value
from fusion_agents.evaluation.report import Evaluation
from fusion_agents.evaluation.run import evaluate

__all__ = ["Estimate", "Evaluation", "evaluate", "off_policy_value"]
