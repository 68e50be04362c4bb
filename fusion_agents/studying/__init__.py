"""Studying: whether thought templates help a model, measured with controls and intervals."""

from fusion_agents.studying.conditions import CONDITIONS
from fusion_agents.studying.questions import divide
from fusion_agents.studying.report import StudyReport
from fusion_agents.studying.study import StudySummary, ThoughtStudy

__all__ = ["CONDITIONS", "StudyReport", "StudySummary", "ThoughtStudy", "divide"]
