"""What keeps thought templates that would command their readers out of use."""

from fusion_agents.quarantine.check import suspicion

__all__ = ["suspicion"]
