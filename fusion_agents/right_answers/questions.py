"""Questions that nobody should learn from, whoever answered them."""

from fusion_agents.quarantine import suspicion
from fusion_agents.types import Query, ThoughtTemplate


def is_suspicious(query: Query) -> bool:
    """Whether a question looks like an attempt to command whoever reads it.

    >>> is_suspicious(Query(text="2 + 2?"))
    False
    """
    asked = ThoughtTemplate(problem="-", question=query.text, query_id=query.id)
    return suspicion(asked) is not None
