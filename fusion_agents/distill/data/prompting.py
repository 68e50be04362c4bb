"""How a question is put to a student: in training as in use."""

import hashlib
import json
from typing import Literal, TypedDict

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from fusion_agents.errors import ConfigError
from fusion_agents.strategies.base import Strategy
from fusion_agents.strategies.catalogue import strategy_classes
from fusion_agents.types import Query

Role = Literal["system", "user", "assistant"]

_ROLES: dict[type[BaseMessage], Role] = {
    SystemMessage: "system",
    HumanMessage: "user",
    AIMessage: "assistant",
}
_PROBE = Query(text="How many primes are there below 100?")


class Turn(TypedDict):
    """One message, as chat templates and providers take it."""

    role: Role
    content: str


def prompt_of(query: Query, strategy: str = "direct") -> list[BaseMessage]:
    """The messages that a pool sends when it asks `student@strategy`.

    A student that learns from other messages than it is sent later has learned less than it could
    (the FusionFactory paper's students were trained with one chat template and asked with
    another). So a strategy that shows what it finds in a log (`few-shot`, `thought`) is refused:
    what it shows depends on the log of the day, and of a question that is in the log it would show
    another thing than of a new one.

    >>> [message.text for message in prompt_of(Query(text="2 + 2?"))]
    ['2 + 2?']

    Raises:
        ConfigError: If there is no such strategy, or it needs a log.
    """
    return _made(strategy).prompt([HumanMessage(query.text)], query).messages


def check_strategy(strategy: str) -> None:
    """Find out before the work whether students can be taught with a strategy.

    Raises:
        ConfigError: If there is no such strategy, or it needs a log.
    """
    _made(strategy)


def _made(name: str) -> Strategy:
    known = strategy_classes()
    usable = [other for other, cls in known.items() if not cls.needs_log]
    if name not in known:
        raise ConfigError(f"there is no strategy {name!r}; students learn with {_or(usable)}")
    if known[name].needs_log:
        raise ConfigError(
            f"a student cannot learn with the strategy {name!r}: what it shows beside the question "
            f"changes with the log; take {_or(usable)}"
        )
    return known[name]()


def _or(names: list[str]) -> str:
    return " or ".join(names)


def turns_of(messages: list[BaseMessage]) -> tuple[Turn, ...]:
    """Messages as roles and texts.

    >>> turns_of([HumanMessage("2 + 2?")])
    ({'role': 'user', 'content': '2 + 2?'},)

    Raises:
        ConfigError: If a message is no text of a system, a human or a model.
    """
    return tuple(_turn(message) for message in messages)


def _turn(message: BaseMessage) -> Turn:
    role = _ROLES.get(type(message))
    if role is None or not isinstance(message.content, str):
        raise ConfigError(
            f"a student learns from texts alone, but the strategy sends a {message.type} message "
            "that is none; take another strategy"
        )
    return {"role": role, "content": message.content}


def prompting_digest(strategy: str) -> str:
    """SHA-256 of what a strategy makes of one fixed question."""
    turns = turns_of(prompt_of(_PROBE, strategy))
    return hashlib.sha256(json.dumps([strategy, *turns]).encode()).hexdigest()
