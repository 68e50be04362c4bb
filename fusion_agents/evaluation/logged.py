"""The policy that made a log, as one more row of its evaluation."""

import numpy as np

from fusion_agents.evaluation.collection import MOST_SEVERAL
from fusion_agents.evaluation.measures import Measure
from fusion_agents.outcomes import IntVector

LOGGED = "as logged"
"""Name of its row."""


def logged_choice(utility: Measure) -> IntVector | None:
    """Arm that answered each query, shape (n_queries,); none for a log of forced collections."""
    known = ~np.isnan(utility.values)
    if utility.collection.kind not in ("recorded", "certain"):
        return None
    if (known.sum(axis=1) > 1).mean() > MOST_SEVERAL:
        return None
    choice: IntVector = np.argmax(known, axis=1)
    return choice
