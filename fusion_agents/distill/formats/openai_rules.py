"""What OpenAI asks of a file to fine-tune a chat model with.

Source: OpenAI's guide to supervised fine-tuning, its reference of the Files API, and the checks
in its cookbook ("Data preparation and analysis for chat model fine-tuning").
"""

from collections.abc import Mapping, Sequence
from typing import Any

from fusion_agents.errors import DataError, RowError

LEAST_EXAMPLES = 10
MOST_BYTES = 512_000_000
"""Of a file that is uploaded."""

_LONGEST = 65_536
"""Tokens of one example; what is longer is cut short in training."""
_LONGEST_OF_OLDER = {"gpt-3.5-turbo-0613": 4_096, "gpt-3.5": 16_385}
"""By the beginning of the model's name."""
_BYTES_A_TOKEN = 3
"""On the safe side for English; about right for most other scripts."""
_TOKENS_A_MESSAGE = 4
"""Around each message, and before the answer."""

_ROLES = ("system", "user", "assistant")
_KEYS = {"role", "content", "weight"}


def check_count(file: str, n_examples: int) -> None:
    """See that there are enough.

    Raises:
        DataError: If not.
    """
    if n_examples < LEAST_EXAMPLES:
        raise DataError(
            f"{file}: OpenAI takes no fewer than {LEAST_EXAMPLES} examples, and there are "
            f"{n_examples}: select more (--k, --per-task, lower floors), or collect more answers"
        )


def check_size(file: str, content: bytes) -> None:
    """See that a file may be uploaded.

    Raises:
        DataError: If not.
    """
    if len(content) > MOST_BYTES:
        raise DataError(
            f"{file}: OpenAI takes files of up to {MOST_BYTES:,} bytes, and it has "
            f"{len(content):,}: select fewer examples (--k, --per-task)"
        )


def check_rows(file: str, rows: Sequence[Mapping[str, Any]], base: str | None = None) -> None:
    """Check all examples of a file.

    Raises:
        DataError: If there are too few.
        RowError: If one is against a rule; it names the line.
    """
    check_count(file, len(rows))
    for line, row in enumerate(rows, 1):
        if row.keys() != {"messages"} or not isinstance(row["messages"], list):
            given = ", ".join(map(repr, row)) or "nothing"
            raise RowError(file, line, f"an example holds 'messages' alone, a list, not {given}")
        check_messages(file, line, row["messages"], base)


def check_messages(file: str, line: int, messages: Sequence[Any], base: str | None = None) -> None:
    """Check the messages of one example, the answer among them.

    Raises:
        RowError: If they are against a rule.
    """
    for number, message in enumerate(messages, 1):
        reason = _against(message)
        if reason:
            raise RowError(file, line, f"message {number} {reason}")
    roles = [message["role"] for message in messages]
    if "user" not in roles or roles[-1] != "assistant" or messages[-1].get("weight") == 0:
        raise RowError(
            file, line, "an example needs a message of the user, and the assistant's answer last"
        )
    tokens, most = estimated_tokens(messages), longest_example(base)
    if tokens > most:
        raise RowError(
            file,
            line,
            f"the example has some {tokens:,} tokens (estimated, {_BYTES_A_TOKEN} bytes each), and "
            f"OpenAI cuts examples off at {most:,}: leave long answers out (--max-characters)",
        )


def _against(message: Any) -> str | None:
    if not isinstance(message, dict) or not {"role", "content"} <= message.keys():
        return "must be an object with 'role' and 'content'"
    unknown = sorted(message.keys() - _KEYS)
    if unknown:
        return f"holds {unknown[0]!r}, which is not known: take it out"
    if message["role"] not in _ROLES:
        return f"has the role {message['role']!r}: it must be one of {', '.join(_ROLES)}"
    if not isinstance(message["content"], str) or not message["content"].strip():
        return "has no content: take the example out"
    if "weight" in message and (message["role"] != "assistant" or message["weight"] not in (0, 1)):
        return "has a weight: only the assistant's may, 0 or 1"
    return None


def with_weights(turns: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Messages of which the last answer alone is learned.

    >>> [one.get("weight") for one in with_weights([{"role": "assistant"}, {"role": "assistant"}])]
    [0, None]
    """
    last = len(turns) - 1
    return [
        {**turn, "weight": 0} if turn["role"] == "assistant" and place < last else dict(turn)
        for place, turn in enumerate(turns)
    ]


def estimated_tokens(messages: Sequence[Mapping[str, Any]]) -> int:
    """About how many tokens an example has; rather too many than too few.

    >>> estimated_tokens([{"role": "user", "content": "2 + 2?"}])
    10
    """
    counts = (len(message["content"].encode()) // _BYTES_A_TOKEN for message in messages)
    return sum(count + _TOKENS_A_MESSAGE for count in counts) + _TOKENS_A_MESSAGE


def longest_example(base: str | None) -> int:
    """Most tokens of an example for a model; those of today's for one that is not known.

    >>> longest_example("gpt-3.5-turbo-0125"), longest_example(None)
    (16385, 65536)
    """
    for beginning, most in _LONGEST_OF_OLDER.items():
        if base and base.startswith(beginning):
            return most
    return _LONGEST
