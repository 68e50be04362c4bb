"""A turn: one query of one call, with what the call asks for and the arms that can answer it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from langchain_core.messages import BaseMessage
from langchain_core.utils.uuid import uuid7

from fusion_agents.answering.nouns import Bindings
from fusion_agents.conversation import ChainInput, needs_of, query_text, to_messages
from fusion_agents.errors import ConfigError, ObjectiveError, RouteError
from fusion_agents.objective import Objective
from fusion_agents.pool.pool import Pool
from fusion_agents.strategies.base import Occasion
from fusion_agents.types import Arm, Query, ThoughtTemplate


class Choices(NamedTuple):
    """What one call may ask for, beside its messages."""

    objective: str | Objective | None = None
    """Another objective than the usual one."""
    model: str | None = None
    """Only this model, with any of its strategies."""
    arm: str | None = None
    """Only this arm."""
    tenant: str = "default"
    """On whose behalf; kept in the log."""
    turn: str | None = None
    """Key of the turn, where the call has a run id; otherwise one is made."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Turn:
    """One query of one call, ready to be routed."""

    key: str
    """Names the turn; the keys of its log entries derive from it. The id of the chain's run, in
    hexadecimal digits, so that whoever has the run's id can say how good the answer was."""
    query: Query
    messages: Sequence[BaseMessage]
    arms: tuple[Arm, ...]
    """Those that are allowed and able to answer, in the pool's order."""
    objective: Objective
    tenant: str = "default"
    bindings: Bindings = field(default_factory=Bindings)
    explores: bool = True
    """Whether another arm than the best one may be tried on purpose."""
    templates: tuple[ThoughtTemplate, ...] | None = None
    """Thought templates that were looked up for it already."""

    @property
    def occasion(self) -> Occasion:
        """What strategies may have to know of it beside its messages."""
        return Occasion(tenant=self.tenant, templates=self.templates)


def turn_key(name: str | UUID | BaseMessage) -> str:
    """Key of a turn, from whatever names it.

    Args:
        name: The id of the chain's run, in any form; the answer's message, or the id that a graph
            gave it (`fusion-...`); or the key in `response_metadata["fusion"]["turn"]`.

    Raises:
        ConfigError: If a message has no such key.

    >>> turn_key("01a20349-e8b9-7152-9965-04c80d7caf14")
    '01a20349e8b97152996504c80d7caf14'
    """
    if isinstance(name, BaseMessage):
        found = name.response_metadata.get("fusion", {}).get("turn")
        if not found:
            raise ConfigError("the message is no answer of this package: it names no turn")
        return str(found)
    plain = str(name).removeprefix("fusion-")
    try:
        return UUID(plain).hex
    except ValueError:
        return plain


def read_turn(
    value: ChainInput,
    choices: Choices,
    bindings: Bindings,
    *,
    pool: Pool,
    arms: tuple[Arm, ...],
    objective: Objective,
    key: str | None = None,
) -> Turn:
    """Read an input and find the arms that can answer it.

    Raises:
        DataError: If the input holds no messages.
        ConfigError: If the choices name an objective, model or arm that does not exist.
        RouteError: If no arm is able to answer.
    """
    messages = to_messages(value)
    if choices.objective is not None:
        objective = Objective.parse(choices.objective)
    needs = needs_of(
        messages, tools=bool(bindings.tools), structured_output=bindings.schema is not None
    )
    allowed = _allowed(choices, objective, arms, pool)
    unfit = {arm: pool.unfit(arm, needs) for arm in allowed}
    able = tuple(arm for arm, reason in unfit.items() if reason is None)
    if not able:
        reasons = "; ".join(f"{arm}: {reason}" for arm, reason in unfit.items())
        raise RouteError(f"no arm is able to answer: {reasons}")
    return Turn(
        key=key or choices.turn or uuid7().hex,
        query=Query(text=query_text(messages)),
        messages=messages,
        arms=able,
        objective=objective,
        tenant=choices.tenant,
        bindings=bindings,
    )


def _allowed(
    choices: Choices, objective: Objective, arms: tuple[Arm, ...], pool: Pool
) -> tuple[Arm, ...]:
    if choices.arm is not None:
        return (_only_arm(choices.arm, tuple(dict.fromkeys((*arms, *pool.arms)))),)
    if choices.model is not None:
        arms = _of_model(choices.model, arms, pool)
    if objective.arms is None:
        return arms
    named = tuple(arm for arm in arms if {arm.model, str(arm)} & set(objective.arms))
    if not named:
        raise ObjectiveError(
            f"the objective allows {' or '.join(objective.arms)}, which is no arm of "
            f"{', '.join(map(str, arms))}"
        )
    return named


def _of_model(name: str, arms: tuple[Arm, ...], pool: Pool) -> tuple[Arm, ...]:
    if name not in pool.models:
        raise ConfigError(f"unknown model {name!r}: the pool has {', '.join(pool.models)}")
    known = tuple(arm for arm in arms if arm.model == name)
    return known or tuple(arm for arm in pool.arms if arm.model == name)


def _only_arm(name: str, known: tuple[Arm, ...]) -> Arm:
    arm = Arm.parse(name)
    if arm not in known:
        raise ConfigError(f"unknown arm {name!r}: use one of {', '.join(map(str, known))}")
    return arm
