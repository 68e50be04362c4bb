"""Several judges score an answer: the one in the middle decides."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from statistics import median
from typing import TYPE_CHECKING, ClassVar

from langchain_core.runnables import RunnableConfig

from fusion_agents.errors import ConfigError
from fusion_agents.judges.asking import total_cost, total_usage
from fusion_agents.judges.base import Case, Judge, Verdict
from fusion_agents.judges.specs import split_members
from fusion_agents.types import content_key

if TYPE_CHECKING:
    from fusion_agents.judges.specs import Making


class PanelJudge(Judge):
    """Takes the median of several judges, so that one that is wrong, or bribed, decides nothing.

    Members that fail or refuse are left out. At least half of all members must give a score; if
    not, the panel refuses where all that gave none refused, and has failed otherwise. Of an even
    number of scores, the median is the mean of the two in the middle. The reason says how far
    the scores lie apart.

    Args:
        members: At least two; models of different families are worth more than of one.

    Raises:
        ConfigError: If there are less than two, or a panel is among them.
    """

    name: ClassVar[str] = "panel"
    calls_models: ClassVar[bool] = True

    def __init__(self, members: Sequence[Judge]) -> None:
        if len(members) < 2 or any(isinstance(member, PanelJudge) for member in members):
            raise ConfigError("a panel is made of at least two judges that are no panels")
        self.members = tuple(members)
        self.compares = any(member.compares for member in members)

    @cached_property
    def version(self) -> str:
        """Changes with any member's."""
        versions = sorted(f"{member.name} {member.version}" for member in self.members)
        return f"{self.name}-{len(versions)}-{content_key(*versions)[:12]}"

    def refusal(self, case: Case) -> str | None:
        """Why it will not judge this answer: more than half of the members refuse it."""
        whys = [why for member in self.members if (why := member.refusal(case)) is not None]
        return whys[0] if 2 * len(whys) > len(self.members) else None

    def judge(self, case: Case, config: RunnableConfig | None = None) -> Verdict:
        """Ask the members one after the other."""
        return self._together([member.judge(case, config) for member in self.members])

    async def ajudge(self, case: Case, config: RunnableConfig | None = None) -> Verdict:
        """Ask the members at the same time."""
        asked = (member.ajudge(case, config) for member in self.members)
        return self._together(await asyncio.gather(*asked))

    @classmethod
    def from_spec(cls, rest: str, making: "Making") -> Judge:
        """Read `panel:rubric:A+rubric:B+pairwise:C`."""
        return cls([making.make(text) for text in split_members(rest, making.known)])

    def _together(self, verdicts: Sequence[Verdict]) -> Verdict:
        usage = total_usage([verdict.usage for verdict in verdicts])
        cost = total_cost([verdict.cost for verdict in verdicts])
        given = [verdict for verdict in verdicts if verdict.score is not None]
        if 2 * len(given) < len(verdicts):
            errors = Counter(one.error or "other" for one in verdicts if _failed(one))
            return Verdict(
                score=None,
                reason=self._story(verdicts),
                error=errors.most_common(1)[0][0] if errors else None,
                refused=not errors,
                usage=usage,
                cost=cost,
            )
        return Verdict(
            score=_median([verdict.score for verdict in given]),
            reason=self._story(verdicts),
            correctness=_median([verdict.correctness for verdict in given]),
            reasoning=_median([verdict.reasoning for verdict in given]),
            usefulness=_median([verdict.usefulness for verdict in given]),
            usage=usage,
            cost=cost,
        )

    def _story(self, verdicts: Sequence[Verdict]) -> str:
        scores = [verdict.score for verdict in verdicts if verdict.score is not None]
        spread = f"{len(scores)} of {len(verdicts)} scored"
        if scores:
            spread += f", {max(scores) - min(scores):.2g} apart"
        said = (_said(m, v) for m, v in zip(self.members, verdicts, strict=True))
        return f"{spread}: {'; '.join(said)}"


def _failed(verdict: Verdict) -> bool:
    return verdict.score is None and not verdict.refused


def _said(member: Judge, verdict: Verdict) -> str:
    what = "refused" if verdict.refused else verdict.error or "failed"
    score = what if verdict.score is None else f"{verdict.score:.2g}"
    words = f" ({verdict.reason[:200]})" if verdict.reason else ""
    return f"{member.version} {score}{words}"


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None
