"""Judging answers as they come: which ones, by whom, and never at an answer's expense."""

import logging
from dataclasses import dataclass
from typing import Literal

from langchain_core.runnables import RunnableConfig

from fusion_agents.answering.nouns import Answer
from fusion_agents.answering.redaction import Redactor
from fusion_agents.answering.replies import model_version
from fusion_agents.errors import ConfigError
from fusion_agents.judges.base import Case, Judge, Verdict
from fusion_agents.judges.catalogue import make_judge
from fusion_agents.judging.asking import checked
from fusion_agents.judging.worker import JudgeWorker
from fusion_agents.pool.pool import Pool
from fusion_agents.steps.recording import entry_key
from fusion_agents.steps.turn import Turn
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.types import Judgement, content_key

logger = logging.getLogger(__name__)

When = Literal["inline", "deferred"]


@dataclass(frozen=True)
class JudgePolicy:
    """Which answers are judged, by whom and when.

    `inline`: before the answer is given, which waits for the verdict; it is in
    `response_metadata["fusion"]["judgement"]` and in the log. `deferred`: the answer is recorded
    and given at once; `worker(log)` or `fusion-agents judge` judges what the log holds.

    A judge that fails costs no answer: the answer is then not scored, and the reason is kept.
    Answers without text, such as mere tool calls, are not judged.

    Args:
        judge: Gives the verdicts.
        when: `inline` or `deferred`.
        rate: Share of the turns that is judged, in [0, 1]; which ones follows from their keys, so
            that a retry and a resumed run judge the same ones.

    Raises:
        ConfigError: If `when` or `rate` is something else, or the judge is none.
    """

    judge: Judge
    when: When = "inline"
    rate: float = 1.0

    def __post_init__(self) -> None:
        if not isinstance(self.judge, Judge):
            raise ConfigError(
                f"a policy takes a judge, such as make_judge gives, not {self.judge!r}"
            )
        if self.when not in ("inline", "deferred"):
            raise ConfigError(f"when must be 'inline' or 'deferred', not {self.when!r}")
        if not 0 <= self.rate <= 1:
            raise ConfigError(f"rate must lie between 0 and 1, not {self.rate!r}")

    def is_due(self, turn: Turn) -> bool:
        """Whether the turn's answer is to be judged before it is given."""
        drawn = int(content_key("judge", turn.key)[:12], 16) / 16**12
        return self.when == "inline" and drawn < self.rate

    def worker(self, log: RoutingLog, *, every: float = 60.0) -> JudgeWorker:
        """What judges in the background whatever the log holds unjudged, at this rate."""
        return JudgeWorker(log, self.judge, rate=self.rate, every=every)

    def judge_answer(
        self, turn: Turn, answer: Answer, config: RunnableConfig | None, *, source: str = "local"
    ) -> Judgement | None:
        """Judge an answer.

        Returns:
            The judgement, without a score if the judge failed; none if it is not due, or if there
            is no text to judge.
        """
        case = _case(turn, answer)
        if case is None or not self.is_due(turn):
            return None
        try:
            verdict = self.judge.judge(case, config)
        except Exception as error:  # noqa: BLE001  any judge's: it must not cost the answer
            verdict = _failed(self.judge, error)
        return self._judgement(case, verdict, source)

    async def ajudge_answer(
        self, turn: Turn, answer: Answer, config: RunnableConfig | None, *, source: str = "local"
    ) -> Judgement | None:
        """The same for an event loop."""
        case = _case(turn, answer)
        if case is None or not self.is_due(turn):
            return None
        try:
            verdict = await self.judge.ajudge(case, config)
        except Exception as error:  # noqa: BLE001  any judge's: it must not cost the answer
            verdict = _failed(self.judge, error)
        return self._judgement(case, verdict, source)

    def _judgement(self, case: Case, verdict: Verdict, source: str) -> Judgement | None:
        """With a key that does not follow from the score: one verdict an answer, ever."""
        try:
            made = self.judge.judgement(case, checked(verdict), source)
        except Exception as error:  # noqa: BLE001  any judge's: it must not cost the answer
            kind = type(error).__name__
            logger.warning("an answer was not judged: %s while the verdict was written", kind)
            return None
        key = content_key("judged inline", made.entry_key, made.judge, made.judge_version)
        return made.model_copy(update={"key": key})


Judging = JudgePolicy | Judge | str
"""A policy; or a judge, or the text of one (`rubric:gpt-5-mini`), that judges every answer
inline."""


def judge_policy(given: Judging | None, pool: Pool) -> JudgePolicy | None:
    """Make the policy.

    Raises:
        ConfigError: If there is no such judge, or its model is not to be had.
    """
    if given is None or isinstance(given, JudgePolicy):
        return given
    return JudgePolicy(make_judge(given, pool=pool) if isinstance(given, str) else given)


def _case(turn: Turn, answer: Answer) -> Case | None:
    text = str(answer.message.text)
    if not text.strip():
        return None
    return Case(
        query=turn.query,
        response=text,
        arm=answer.arm,
        model_version=model_version(answer.message),
        entry_key=entry_key(turn.key, len(answer.attempts) - 1),
    )


def _failed(judge: Judge, error: Exception) -> Verdict:
    kind = type(error).__name__
    reason = Redactor().text(f"the judge failed: {kind}: {error}")
    logger.warning("judge %r: %s", judge.name, reason)
    return Verdict(score=None, reason=reason, error=kind)
