"""What was answered goes back into the log."""

import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from fusion_agents.answering.nouns import Answer
from fusion_agents.answering.replies import finish_reason, model_version
from fusion_agents.errors import ConfigError, FusionError
from fusion_agents.judges.feedback import Feedback
from fusion_agents.pool.pool import Pool
from fusion_agents.steps.feedback import give_feedback
from fusion_agents.steps.turn import Turn
from fusion_agents.steps.writer import Writer
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.types import Attempt, Judgement, LogEntry, Route, content_key

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Recorder:
    """Appends the attempts of turns to a log.

    Args:
        log: Where to; none keeps nothing.
        pool: For the prices that costs were computed with.
        source: Written to the log as the source of the entries.
    """

    log: RoutingLog | None
    pool: Pool
    source: str = "fusion"
    writer: Writer = field(default_factory=Writer, repr=False, compare=False)

    def entries(self, turn: Turn, route: Route, result: Answer | FusionError) -> list[LogEntry]:
        """The turn's attempts as log entries, with keys that derive from the turn's."""
        now = datetime.now(UTC)
        attempts: tuple[Attempt, ...] = getattr(result, "attempts", ())
        return [
            self._entry(turn, route, attempt, number, now).model_copy(
                update=_answered(result)
                if isinstance(result, Answer) and number == len(attempts) - 1
                else {}
            )
            for number, attempt in enumerate(attempts)
        ]

    def _entry(
        self, turn: Turn, route: Route, attempt: Attempt, number: int, now: datetime
    ) -> LogEntry:
        prices = None if attempt.cost is None else self.pool.prices(attempt.arm.model)
        return LogEntry(
            key=entry_key(turn.key, number),
            query=turn.query,
            arm=attempt.arm,
            usage=attempt.usage,
            cost=attempt.cost,
            input_price=prices and prices.input,
            output_price=prices and prices.output,
            latency=attempt.seconds,
            error=attempt.error,
            propensity=route.propensity if attempt.arm == route.arm else 1.0,
            source=self.source,
            tenant=turn.tenant,
            time=now,
        )

    def record(
        self,
        turn: Turn,
        route: Route,
        result: Answer | FusionError,
        judgement: Judgement | None = None,
    ) -> list[LogEntry]:
        """Append the turn's attempts to the log, each once however often this is repeated.

        Args:
            turn: What was asked.
            route: Who was to answer.
            result: What came of it.
            judgement: Of the answer; appended after the entries, and once, too.

        Returns:
            The entries; none without a log.

        Raises:
            StoreError: If the log cannot be written.
        """
        if self.log is None:
            return []
        entries = self.entries(turn, route, result)
        self.log.append(entries)
        if judgement is not None:
            self.log.append_judgements([judgement])
        return entries

    def keep(self, turn: Turn, route: Route, result: Answer | FusionError) -> None:
        """Record, but never lose or delay an answer because the log cannot be written.

        A log that is locked is waited for in the background; a warning says if nothing helped.
        """
        if self.log is not None:
            self.writer.run(partial(self._keep, turn, route, result))

    async def akeep(self, turn: Turn, route: Route, result: Answer | FusionError) -> None:
        """The same for an event loop."""
        if self.log is not None:
            await self.writer.arun(partial(self._keep, turn, route, result))

    def keep_judgement(self, judgement: Judgement) -> None:
        """Append the judgement of an answer that was kept before; otherwise like `keep`."""
        if self.log is not None:
            self.writer.run(partial(self._keep_judgement, judgement))

    async def akeep_judgement(self, judgement: Judgement) -> None:
        """The same for an event loop."""
        if self.log is not None:
            await self.writer.arun(partial(self._keep_judgement, judgement))

    def feedback(self, feedback: Feedback, source: str = "user") -> Judgement:
        """Append what a user said, after whatever is still to be recorded.

        Raises:
            ConfigError: If nothing is recorded.
            DataError: If the log has no such turn, or the turn has no answer.
            StoreError: If the log cannot be written.
        """
        return self.writer.call(partial(give_feedback, self._needed(), feedback, source=source))

    async def afeedback(self, feedback: Feedback, source: str = "user") -> Judgement:
        """The same for an event loop."""
        job = partial(give_feedback, self._needed(), feedback, source=source)
        return await self.writer.acall(job)

    def _needed(self) -> RoutingLog:
        if self.log is None:
            raise ConfigError("feedback needs a log that answers are recorded in: pass `record=`")
        return self.log

    def _keep(self, turn: Turn, route: Route, result: Answer | FusionError) -> None:
        try:
            self.record(turn, route, result)
        except (FusionError, OSError) as error:
            logger.warning("the attempts of turn %s are not in the log: %s", turn.key, error)

    def _keep_judgement(self, judgement: Judgement) -> None:
        assert self.log is not None
        try:
            self.log.append_judgements([judgement])
        except (FusionError, OSError) as error:
            logger.warning(
                "the judgement of entry %s is not in the log: %s", judgement.entry_key, error
            )


def entry_key(turn_key: str, number: int) -> str:
    """Key of the log entry of a turn's attempt; attempts are counted from 0."""
    return content_key("turn", turn_key, number)


def _answered(answer: Answer) -> dict[str, object]:
    message = answer.message
    return {
        "model_version": model_version(message),
        "response": str(message.text),
        "finish_reason": finish_reason(message) or None,
        "template_ids": answer.template_ids,
    }
