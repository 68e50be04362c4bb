"""A judge that needs no model, for tests of the faces that have answers judged."""

from dataclasses import dataclass, field
from typing import ClassVar

from langchain_core.runnables import RunnableConfig

from fusion_agents.judges.base import Case, Judge, Verdict


@dataclass(kw_only=True)
class WordJudge(Judge):
    """Likes answers that contain a word; keeps what it was shown."""

    name: ClassVar[str] = "words"

    word: str = "42"
    error: Exception | None = None
    cases: list[Case] = field(default_factory=list)

    @property
    def version(self) -> str:
        return f"1-{self.word}"

    def judge(self, case: Case, config: RunnableConfig | None = None) -> Verdict:
        self.cases.append(case)
        if self.error is not None:
            raise self.error
        return Verdict(score=float(self.word in case.response), reason="it looked", cost=0.001)
