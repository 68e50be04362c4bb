"""What users say of answers, as judgements of the turns that gave them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from langchain_core.messages import BaseMessage

from fusion_agents.errors import DataError
from fusion_agents.judges.feedback import Feedback, FeedbackJudge, read_feedback
from fusion_agents.steps.turn import turn_key
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.types import Judgement

USUAL = "user_score"
"""What users are asked where nothing else is said."""

Named = str | UUID | BaseMessage
"""What names a turn; see `fusion_agents.steps.turn.turn_key`."""


def feedback_from(
    said: Feedback | Mapping[str, Any] | Named,
    score: Any = None,
    *,
    value: Any = None,
    comment: str | None = None,
    key: str = USUAL,
) -> Feedback:
    """Read what a user said.

    >>> feedback_from("1f", "4 of 5").score, feedback_from({"run_id": "1f", "score": True}).score
    (0.75, 1.0)

    Args:
        said: What names the turn; or all of it, as a dict that LangSmith would take (`run_id`,
            `key`, `score`, `value`, `comment`) or as `Feedback`.
        score: A truth value, a thumb, a number in [0, 1], or a rating such as `"4 of 5"`.
        value: The same, where there is no score.
        comment: In words; may stand alone.
        key: What the user was asked; each is a signal of its own.

    Raises:
        DataError: If it names no turn, says nothing, or says what is no score.
        ConfigError: If a message is none of this package's answers.
    """
    if isinstance(said, Feedback):
        return said
    if isinstance(said, Mapping):
        return read_feedback(said)
    name = turn_key(said) if isinstance(said, BaseMessage) else said
    parts = {"run_id": name, "score": score, "value": value, "comment": comment, "key": key}
    return read_feedback(parts)


def feedback_judgement(
    log: RoutingLog, feedback: Feedback, *, source: str = "user", key: str | None = None
) -> Judgement:
    """Make a judgement of the answer that the feedback is about.

    Args:
        log: Where the turn was recorded.
        feedback: What was said.
        source: Who said it: trust is given and taken by it.
        key: Of the judgement, where the same signal may be handed over twice; a new one by
            default, so that a later change of mind counts.

    Raises:
        DataError: If the log has no such turn, or the turn has no answer.
    """
    entries = log.entries_of_turn(turn_key(feedback.run_id))
    if not entries:
        raise DataError(
            f"run {feedback.run_id!r} is not in the log: give the id of the chain's run or the "
            "turn in the message's metadata, and let the chain record (`record=`)"
        )
    answered = next((entry for entry in reversed(entries) if entry.error is None), None)
    if answered is None:
        raise DataError(f"run {feedback.run_id!r} has no answer that could be good or bad")
    version = FeedbackJudge().version
    return Judgement(
        key=key or uuid4().hex,
        entry_key=answered.key,
        score=feedback.score,
        reason=feedback.comment,
        judge=FeedbackJudge.name,
        judge_version=version if feedback.key == USUAL else f"{version}:{feedback.key}",
        source=source,
        time=datetime.now(UTC),
    )


def give_feedback(
    log: RoutingLog, feedback: Feedback, *, source: str = "user", key: str | None = None
) -> Judgement:
    """Append what `feedback_judgement` makes to the log.

    Raises:
        DataError: If the log has no such turn, or the turn has no answer.
        StoreError: If the log cannot be written.
    """
    judgement = feedback_judgement(log, feedback, source=source, key=key)
    log.append_judgements([judgement])
    return judgement
