"""The command line, `fusion-agents`; one file per verb."""

from fusion_agents.cli.app import main

__all__ = ["main"]
