"""How hard to try for an answer."""

from typing import Annotated

from pydantic import Field

from fusion_agents.types import Noun, Seconds

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class AnswerPolicy(Noun):
    """How many calls, for how long, before a query ends with an `AnswerError`.

    This is the only retry loop: the models' own clients are told not to repeat a call.
    """

    deadline: Positive = 120.0
    """Seconds for the whole query: all attempts, waits and fallbacks together.

    What the reader of a stream does with its pieces does not count.
    """
    attempt_timeout: Positive | None = 60.0
    """Seconds for one attempt; none lets it take what is left of the deadline.

    Of a stream, for its first piece, and then for each further one.
    """
    max_attempts: Annotated[int, Field(ge=1)] = 8
    """Calls for one query, over all arms."""
    attempts_per_arm: Annotated[int, Field(ge=1)] = 3
    """Calls of one arm in a row before the next one of the ranking is asked."""
    first_backoff: Seconds = 0.5
    """Wait before repeating a call for which the provider names no time; doubles each time."""
    max_backoff: Seconds = 8.0
    cooldown: Seconds = 30.0
    """How long an arm that keeps failing is left out of the rankings of other queries."""
