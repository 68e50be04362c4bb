"""Trained models that answer here, as LangChain chat models."""

from fusion_agents.students.model import StudentChatModel

__all__ = ["StudentChatModel"]
