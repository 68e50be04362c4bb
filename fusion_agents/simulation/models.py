"""The SIMULATED models: invented skills, prices and speeds; nothing real is described."""

import hashlib
import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from fusion_agents.simulation.questions import Question
from fusion_agents.types import Arm


class Profile(NamedTuple):
    """What is invented about a model."""

    skill: Mapping[str, float]
    """By family: log-odds of a right answer to a question of medium difficulty."""
    input_price: float
    """Dollars per million input tokens."""
    output_price: float
    """Dollars per million output tokens."""
    speed: float
    """Output tokens per second."""
    strategies: tuple[str, ...] = ("direct", "think")


def _skill(
    arithmetic: float,
    code: float,
    dates: float,
    logic: float,
    strings: float,
    units: float,
    triage: float = 0.0,
) -> dict[str, float]:
    return {
        "arithmetic": arithmetic, "code": code, "dates": dates, "logic": logic,
        "strings": strings, "units": units, "triage": triage,
    }  # fmt: skip


PROFILES: dict[str, Profile] = {
    "sim-frontier": Profile(_skill(2.0, 1.9, 1.6, 2.0, 1.7, 1.8, 0.6), 3.0, 15.0, 60.0),
    "sim-medium": Profile(_skill(0.9, 0.8, 1.2, 0.9, 1.5, 1.1, 0.3), 1.0, 5.0, 90.0),
    "sim-small-math": Profile(_skill(2.1, -0.6, -0.2, 0.1, -1.2, 2.2, -0.8), 0.4, 2.0, 150.0),
    "sim-small-code": Profile(_skill(0.0, 2.0, -0.4, 0.2, 1.0, -0.3, -0.9), 0.5, 2.5, 140.0),
    "sim-small-chat": Profile(
        _skill(-0.6, -1.0, 0.2, -0.1, 1.8, 0.3, 0.4), 0.25, 1.25, 180.0, ("direct",)
    ),
    "sim-tiny": Profile(
        _skill(-1.2, -1.6, -1.5, -0.6, -0.4, -0.6, -0.6), 0.1, 0.5, 250.0, ("direct",)
    ),
}
ARMS: tuple[Arm, ...] = tuple(
    Arm(model=model, strategy=strategy)
    for model, profile in PROFILES.items()
    for strategy in profile.strategies
)
"""Every simulated model with every way of prompting it."""

THOUGHT_ARMS: tuple[Arm, ...] = tuple(
    Arm(model="sim-medium", strategy=strategy) for strategy in ("direct", "thought")
)
"""One simulated model without and with thought templates, which help it in three families of
questions and hurt it in two."""

_THOUGHT = _skill(1.2, -1.2, 1.2, 1.2, -1.2, 0.0)
HELPED = tuple(family for family, odds in _THOUGHT.items() if odds > 0)
"""Families in which templates help."""
HURT = tuple(family for family, odds in _THOUGHT.items() if odds < 0)
"""Families in which they hurt."""

_THINKING = _skill(0.9, 0.3, 1.1, 0.8, -1.1, -0.3)
_EFFECTS = {"think": _THINKING, "thought": _THOUGHT}
_TIMEOUTS = {"direct": 0.003, "think": 0.012, "thought": 0.004}
_HARDNESS = 2.4


class Attempt(NamedTuple):
    """What happens when a simulated model is asked."""

    right: bool
    timed_out: bool
    reasoning_tokens: int
    latency: float
    """Seconds."""
    rng: np.random.Generator
    """For whatever else is drawn for this attempt."""


def attempt(question: Question, arm: Arm, seed: int) -> Attempt:
    """Ask a simulated model; the same question, arm and seed always give the same attempt."""
    name = f"{seed}\n{arm}\n{question.text}".encode()
    digest = hashlib.blake2b(name, digest_size=8).digest()
    rng = np.random.default_rng(int.from_bytes(digest, "big"))
    profile, thinks = PROFILES[arm.model], arm.strategy == "think"
    odds = profile.skill[question.family] - _HARDNESS * (question.difficulty - 0.5)
    if arm.strategy in _EFFECTS:
        odds += _EFFECTS[arm.strategy][question.family]
    right = rng.random() < 1 / (1 + math.exp(-odds))
    timed_out = rng.random() < _TIMEOUTS[arm.strategy]
    reasoning = int(rng.lognormal(4.7 + question.difficulty, 0.4)) if thinks else 0
    latency = 0.3 + (reasoning + 12) / profile.speed * rng.lognormal(0.0, 0.25)
    return Attempt(right, timed_out, reasoning, round(latency, 3), rng)
