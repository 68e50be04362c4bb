"""Judges with a script, and logs for them."""

import asyncio
from collections.abc import Callable, Iterator

from langchain_core.runnables import RunnableConfig

from fusion_agents.judges.base import Case, Judge, Verdict
from fusion_agents.metrics.catalogue import score
from fusion_agents.types import Arm, LogEntry, Query

Says = Callable[[Case], Verdict]


class ScriptedJudge(Judge):
    """Says what it is told to say, and counts how often it was asked at a time."""

    name = "scripted"
    calls_models = True

    def __init__(self, says: Says, *, version: str = "1", seconds: float = 0.0) -> None:
        self._says = says
        self._version = version
        self.seconds = seconds
        self.asked: list[Case] = []
        self.at_a_time = self.most_at_a_time = 0

    @property
    def version(self) -> str:
        return self._version

    @property
    def asked_of_log(self) -> list[Case]:
        return [case for case in self.asked if case.entry_key]

    def judge(self, case: Case, config: RunnableConfig | None = None) -> Verdict:
        self.asked.append(case)
        return self._says(case)

    async def ajudge(self, case: Case, config: RunnableConfig | None = None) -> Verdict:
        self.at_a_time += 1
        self.most_at_a_time = max(self.most_at_a_time, self.at_a_time)
        try:
            await asyncio.sleep(self.seconds)
            return self.judge(case, config)
        finally:
            self.at_a_time -= 1


def honest(case: Case) -> Verdict:
    """What the metric says, for a tenth of a cent."""
    return Verdict(score=score(case.response, case.query).score, reason="checked", cost=0.001)


def entries(n: int, *, model: str = "small", text: str = "") -> Iterator[LogEntry]:
    """Sums, of which every third is wrong."""
    for i in range(n):
        yield LogEntry(
            key=f"{model} {i}",
            query=Query(id=f"q{i}", text=f"{i} + 1?", ground_truth=str(i + 1), metric="number"),
            arm=Arm(model=model),
            response=f"{text}{i + 1 + (i % 3 == 0)}",
        )
