"""SIMULATED models and generated questions, to show and test the package without spending money.

No model is called. Every name starts with `sim-` and every log entry has the source `simulated`.
"""

from fusion_agents.simulation.log import simulate_log
from fusion_agents.simulation.questions import generate_questions

__all__ = ["generate_questions", "simulate_log"]
