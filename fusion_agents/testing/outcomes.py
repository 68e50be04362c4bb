"""Small made-up logs in which a query's text tells which arm is good at it."""

import numpy as np

from fusion_agents.outcomes import Outcomes, OutcomesBuilder
from fusion_agents.types import Arm, Query

_FAMILIES = {
    "arithmetic": ("sum", "product", "remainder", "digits", "fraction", "divide", "multiply"),
    "code": ("function", "python", "list", "loop", "return", "string", "recursion"),
    "history": ("king", "empire", "treaty", "battle", "century", "revolution", "dynasty"),
    "cooking": ("oven", "flour", "simmer", "butter", "recipe", "onion", "whisk"),
}
"""Tasks and the words that their queries are made of."""

_SKILLED, _UNSKILLED = 0.85, 0.35


def make_outcomes(
    n_queries: int = 120,
    n_arms: int = 3,
    seed: int = 0,
    *,
    missing: float = 0.0,
    costs: bool = True,
    judge: bool = False,
) -> Outcomes:
    """Make a log of four tasks whose words do not overlap; the arms are good at different tasks.

    Arm `i` is good at task `i` modulo the number of arms, and a little better than arm `i - 1`
    elsewhere. Scores are 0, 1/2 or 1. Each arm costs twice as much as the one before, in
    proportion to the query's length.

    Args:
        n_queries: Number of queries; the tasks take turns.
        n_arms: Number of arms, called `model-0@direct` and so on.
        seed: The same seed makes the same log.
        missing: Share of the cells that are not known; each query keeps at least one.
        costs: Whether costs and latencies are known.
        judge: Whether judge scores are known.
    """
    random = np.random.default_rng(seed)
    builder = OutcomesBuilder()
    arms = [Arm(model=f"model-{i}") for i in range(n_arms)]
    for number in range(n_queries):
        family = number % len(_FAMILIES)
        query = _query(number, family, random)
        kept = random.random(n_arms) >= missing
        kept[random.integers(n_arms)] = True
        luck = random.random(n_arms)
        for i, arm in enumerate(arms):
            chance = _SKILLED if family % n_arms == i else _UNSKILLED + 0.02 * i
            performance = 1.0 if luck[i] < chance else 0.5 if luck[i] < chance + 0.05 else 0.0
            price = 2.0**i * len(query.text) * random.uniform(0.8, 1.2)
            if kept[i]:
                builder.add(
                    query,
                    arm,
                    performance=performance,
                    judge=0.8 * performance + 0.1 if judge else None,
                    cost=1e-6 * price if costs else None,
                    latency=1e-2 * price if costs else None,
                    propensity=1.0,
                )
    return builder.build()


def _query(number: int, family: int, random: np.random.Generator) -> Query:
    task, words = list(_FAMILIES.items())[family]
    text = " ".join(random.choice(words, size=random.integers(6, 12)))
    return Query(id=f"{task}-{number}", text=f"{text} {number}", task=task)
