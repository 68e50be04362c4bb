"""The pool: the models that may answer, what is known of them and how each may be prompted."""

from fusion_agents.pool.matching import Coverage
from fusion_agents.pool.member import PoolModel
from fusion_agents.pool.pool import Pool

__all__ = ["Coverage", "Pool", "PoolModel"]
