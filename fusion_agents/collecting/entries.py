"""What came of a call as an entry of the log."""

from datetime import UTC, datetime
from typing import Any

from fusion_agents.answering.nouns import Answer
from fusion_agents.answering.replies import finish_reason, model_version
from fusion_agents.collecting.planning import PlannedCall, count_tokens
from fusion_agents.errors import AnswerError
from fusion_agents.pool.pool import Pool
from fusion_agents.types import LogEntry, Usage, content_key

SOURCE = "collect"

_MAX_TOKENS = 2**53


def answered(call: PlannedCall, answer: Answer, pool: Pool) -> LogEntry:
    """The entry of an answer; its cost is that of all attempts.

    Where the provider reports no usage, the cost of this attempt is that of counted characters.
    """
    message = answer.message
    response = _storable(str(message.text))
    usage = _storable_usage(answer.usage)
    cost, estimated = answer.cost, False
    if answer.attempts[-1].cost is None:
        guess = pool.cost(call.arm.model, _counted(usage, call, response))
        if guess is not None:
            cost, estimated = (cost or 0.0) + guess, True
    return _entry(
        call,
        pool,
        key=call.key,
        model_version=_word(model_version(message)),
        response=response,
        usage=usage,
        cost=cost,
        cost_estimated=estimated,
        latency=answer.attempts[-1].seconds,
        finish_reason=_word(finish_reason(message)),
        template_ids=answer.template_ids,
    )


def failed(call: PlannedCall, error: AnswerError, pool: Pool) -> LogEntry:
    """The entry of a call that no attempt answered: the class of the last one's fault."""
    last = error.attempts[-1]
    costs = [attempt.cost for attempt in error.attempts if attempt.cost is not None]
    return _entry(
        call,
        pool,
        key=content_key(call.key, "error", call.errors),
        usage=_storable_usage(last.usage),
        cost=sum(costs) if costs else None,
        latency=last.seconds,
        error=last.error or "other",
    )


def _entry(call: PlannedCall, pool: Pool, **fields: Any) -> LogEntry:
    prices = None if fields["cost"] is None else pool.prices(call.arm.model)
    return LogEntry(
        query=call.query,
        arm=call.arm,
        sample=call.sample,
        input_price=prices and prices.input,
        output_price=prices and prices.output,
        source=SOURCE,
        time=datetime.now(UTC),
        **fields,
    )


def _counted(usage: Usage, call: PlannedCall, response: str) -> Usage:
    read, written = usage.input_tokens, usage.output_tokens
    return usage.model_copy(
        update={
            "input_tokens": call.prompt_tokens if read is None else read,
            "output_tokens": count_tokens(response) if written is None else written,
        }
    )


def _storable(text: str) -> str:
    """What cannot be stored (half a surrogate pair) becomes a question mark."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _storable_usage(usage: Usage) -> Usage:
    """Without counts that no provider can mean."""
    return Usage(**{name: n for name, n in usage if n is not None and n < _MAX_TOKENS})


def _word(value: str | None) -> str | None:
    return _storable(value) if value else None
