"""An order of queries and arms that follows from what they are, not from where they stand."""

import hashlib

import numpy as np

from fusion_agents.outcomes import IntVector, Outcomes


def canonical_order(outcomes: Outcomes) -> tuple[IntVector, IntVector]:
    """Order the scored queries by text and the arms by what they achieved.

    Sums in floating point depend on their order, and so can near-ties and whatever iterates.
    Fitting in this order makes a router independent of the order of rows and arms in the log and
    of the arms' names. Only arms with equal outcomes at every query are ordered by name.

    Returns:
        Row indices of queries with at least one score, and column indices of all arms.
    """
    scored = np.flatnonzero(
        ~(np.isnan(outcomes.performance) & np.isnan(outcomes.judge)).all(axis=1)
    )
    rows = np.array(
        sorted(scored.tolist(), key=lambda i: (outcomes.queries[i].text, outcomes.queries[i].id)),
        dtype=np.int64,
    )

    def content(arm: int) -> bytes:
        measures = (outcomes.performance, outcomes.judge, outcomes.cost, outcomes.latency)
        return hashlib.sha256(b"".join(m[rows, arm].tobytes() for m in measures)).digest()

    arms = sorted(range(outcomes.n_arms), key=lambda arm: (content(arm), str(outcomes.arms[arm])))
    columns = np.array(arms, dtype=np.int64)
    return rows, columns
