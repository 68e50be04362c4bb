"""Whether an answer is of the model family of the judge's own model."""

from collections.abc import Callable

from fusion_agents.judges.asking import JudgeModel
from fusion_agents.judges.base import Judge
from fusion_agents.judges.families import families_of
from fusion_agents.judges.panel import PanelJudge
from fusion_agents.pool.matching import model_id
from fusion_agents.pool.pool import Pool
from fusion_agents.types import LogEntry


def own_family(judge: Judge, pool: Pool | None = None) -> Callable[[LogEntry], bool]:
    """A test of log entries; no entry passes it if the judge has no model.

    Args:
        judge: A panel has the families of all its members.
        pool: Says which models its names stand for.
    """
    own = _families(judge)

    def is_own(entry: LogEntry) -> bool:
        member = None if pool is None else pool.models.get(entry.arm.model)
        known = entry.arm.model if member is None else model_id(member.spec)
        return bool(own & families_of(entry.model_version, known))

    return is_own


def _families(judge: Judge) -> frozenset[str]:
    if isinstance(judge, PanelJudge):
        return frozenset().union(*map(_families, judge.members))
    model = getattr(judge, "model", None)
    return model.families if isinstance(model, JudgeModel) else frozenset()
