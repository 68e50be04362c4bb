"""A turn: one query of one call, with what the call asks for and the arms that can answer it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import uuid4

from langchain_core.messages import BaseMessage

from fusion_agents.answering.nouns import Bindings
from fusion_agents.conversation import ChainInput, needs_of, query_text, to_messages
from fusion_agents.errors import ConfigError, ObjectiveError, RouteError
from fusion_agents.objective import Objective
from fusion_agents.pool.pool import Pool
from fusion_agents.types import Arm, Query


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


@dataclass(frozen=True, kw_only=True, eq=False)
class Turn:
    """One query of one call, ready to be routed."""

    key: str
    """Names the turn; the keys of its log entries derive from it."""
    query: Query
    messages: Sequence[BaseMessage]
    arms: tuple[Arm, ...]
    """Those that are allowed and able to answer, in the pool's order."""
    objective: Objective
    tenant: str = "default"
    bindings: Bindings = field(default_factory=Bindings)


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
        key=key or uuid4().hex,
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
