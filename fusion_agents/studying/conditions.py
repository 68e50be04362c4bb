"""The conditions of the study: ways to prompt one and the same model.

Source: FusionFactory (arXiv 2507.10540), figure 6; there without `random-template`.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from fusion_agents.errors import ConfigError
from fusion_agents.templates.selecting import Criterion

ZERO_SHOT, FEW_SHOT, RANDOM = "zero-shot", "few-shot", "random-template"

THOUGHT: Mapping[str, Criterion] = MappingProxyType(
    {
        "thought-performance": "performance",
        "thought-judge": "judge",
        "thought-hybrid": "hybrid",
    }
)
"""Conditions with retrieved templates, and how the answers behind these are chosen."""

CONDITIONS = (ZERO_SHOT, FEW_SHOT, *THOUGHT, RANDOM)

BASELINES = (ZERO_SHOT, FEW_SHOT, RANDOM)
"""What others are compared with, as far as they are in the study."""


def check_conditions(names: Sequence[str]) -> tuple[str, ...]:
    """Refuse conditions that there are not, and a study of none or one.

    >>> check_conditions(["zero-shot", "few-shot", "zero-shot"])
    ('zero-shot', 'few-shot')

    Raises:
        ConfigError: If one is unknown, or there is nothing to compare.
    """
    chosen = tuple(dict.fromkeys(names))
    for name in chosen:
        if name not in CONDITIONS:
            raise ConfigError(f"unknown condition {name!r}: use {', '.join(CONDITIONS)}")
    if len(chosen) < 2:
        raise ConfigError("a study compares conditions: name at least two")
    return chosen


def criterion_of(condition: str, conditions: Sequence[str]) -> Criterion | None:
    """How the answers behind a condition's templates are chosen; none if it shows none.

    Templates at random come from the same store as those of a condition that they are compared
    with: `thought-hybrid`, or else the first one that retrieves.

    >>> criterion_of("random-template", ["random-template", "thought-judge"])
    'judge'
    """
    if condition != RANDOM:
        return THOUGHT.get(condition)
    there = [THOUGHT[name] for name in conditions if name in THOUGHT]
    return "hybrid" if "hybrid" in there or not there else there[0]


def criteria_of(conditions: Sequence[str]) -> tuple[Criterion, ...]:
    """Whose templates are needed, in the order of the conditions."""
    wanted = (criterion_of(name, conditions) for name in conditions)
    return tuple(dict.fromkeys(criterion for criterion in wanted if criterion is not None))


def baselines_of(conditions: Sequence[str]) -> tuple[str, ...]:
    """What the others are compared with; the first condition if no baseline is there."""
    return tuple(name for name in BASELINES if name in conditions) or (conditions[0],)
