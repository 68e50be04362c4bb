"""What a judge is: it looks at one answer and gives a verdict."""

import asyncio
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar

from langchain_core.runnables import RunnableConfig

from fusion_agents.errors import ConfigError
from fusion_agents.types import Arm, Dollars, Judgement, Query, Usage

if TYPE_CHECKING:
    from fusion_agents.judges.specs import Making


@dataclass(frozen=True, kw_only=True)
class Case:
    """An answer that is to be judged."""

    query: Query
    """With its ground truth and metric, where they are known."""
    response: str
    arm: Arm | None = None
    """Who answered, as the pool and the log name it."""
    model_version: str | None = None
    """The provider's name of the model that answered."""
    entry_key: str = ""
    """Of the answer's log entry; empty if it has none yet."""
    rivals: tuple["Case", ...] = ()
    """Other answers to the same query, for judges that compare."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a judge says of one answer."""

    score: float | None
    """In [0, 1]; none if it could not be judged: a failure is never a zero."""
    reason: str | None = None
    """In words; for no score, why not."""
    correctness: float | None = None
    reasoning: float | None = None
    usefulness: float | None = None
    """What the score was made of, each in [0, 1]; see `fusion_agents.types.Judgement`."""
    error: str | None = None
    """Class of a failure that may pass (`timeout`, `invalid`, ...): it is tried again later."""
    refused: bool = False
    """Whether this judge will never judge this answer, such as one of its own model family."""
    usage: Usage = field(default_factory=Usage)
    cost: Dollars | None = None
    """Dollars paid, failed attempts included."""


class Judge(ABC):
    """Scores answers. It may be wrong, so it has a version and is measured (`judge --calibrate`).

    Its module's name, with hyphens, is its name. Safe to share between threads and event loops.
    Nothing that a candidate writes is an instruction to the judge, and no score is ever read out
    of a candidate's text.
    """

    name: ClassVar[str]
    calls_models: ClassVar[bool] = False
    """Whether it calls models: then it costs money and time."""
    compares: bool = False
    """Whether it looks at a case's rivals."""

    @property
    @abstractmethod
    def version(self) -> str:
        """Changes whenever the same answer may be scored otherwise: model, prompt, rubric."""

    def refusal(self, case: Case) -> str | None:
        """Why it will never judge this answer, where that is known without asking anybody."""
        return None

    @abstractmethod
    def judge(self, case: Case, config: RunnableConfig | None = None) -> Verdict:
        """Judge one answer. What goes wrong is a verdict without a score, not an exception."""

    async def ajudge(self, case: Case, config: RunnableConfig | None = None) -> Verdict:
        """The same for an event loop; a judge that waits overrides it."""
        return await asyncio.to_thread(self.judge, case, config)

    @classmethod
    def from_spec(cls, rest: str, making: "Making") -> "Judge":
        """Make one from what follows its name and a colon in a text; see `make_judge`.

        Raises:
            ConfigError: If it takes nothing there, or something else.
        """
        if rest:
            raise ConfigError(f"the judge {cls.name!r} takes no model and no options, not {rest!r}")
        return cls()

    def judgement(self, case: Case, verdict: Verdict, source: str = "local") -> Judgement:
        """The verdict as the log keeps it, on the case's entry."""
        return Judgement(
            entry_key=case.entry_key,
            score=verdict.score,
            reason=verdict.reason,
            correctness=verdict.correctness,
            reasoning=verdict.reasoning,
            usefulness=verdict.usefulness,
            judge=self.name,
            judge_version=self.version,
            cost=verdict.cost,
            source=source,
            time=datetime.now(UTC),
        )
