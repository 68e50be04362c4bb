"""RouterArena's one number for quality and cost."""

import math

_BETA = 0.1
_DEAREST = 200.0
_CHEAPEST = 0.0044


def arena_score(performance: float, cost: float) -> float:
    """Weigh performance and cost as RouterArena does.

    `S = (1 + beta) A C / (beta A + C)` with beta = 0.1, accuracy A and normalised cost
    `C = (log2(200) - log2(c)) / (log2(200) - log2(0.0044))`, c in dollars per 1,000 queries and
    clipped to that range, so that 200 dollars or more score 0. Source: RouterArena (arXiv
    2510.00202), section on the arena score; `compute_arena_score` in RouteWorks/RouterArena.

    Args:
        performance: In [0, 1].
        cost: Dollars per query.

    >>> round(arena_score(0.78, 0.0003), 3)
    0.76
    """
    dollars = min(max(cost * 1000, _CHEAPEST), _DEAREST)
    cheapness = math.log2(_DEAREST / dollars) / math.log2(_DEAREST / _CHEAPEST)
    weighed = _BETA * performance + cheapness
    return (1 + _BETA) * performance * cheapness / weighed if weighed else 0.0
