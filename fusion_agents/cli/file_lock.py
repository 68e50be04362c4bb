"""The lock of the files that verbs write."""

from fusion_agents.file_lock import locked

__all__ = ["locked"]
