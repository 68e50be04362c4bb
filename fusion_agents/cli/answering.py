"""What the verbs that call models share: making the chain, and putting answers into words."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from fusion_agents.answering.nouns import Answer
    from fusion_agents.answering.policy import AnswerPolicy
    from fusion_agents.chain import FusionRouterChain
    from fusion_agents.steps.turn import Choices


class Asked(NamedTuple):
    """How queries are to be answered, as the options of a verb say."""

    models: Path
    router: Path | None
    objective: str
    deadline: float
    """Seconds for a query."""
    arm: str | None = None
    model: str | None = None
    log: Path | None = None
    """Where to record."""
    judge: str | None = None
    """Who judges each answer, as `make_judge` reads it."""
    explore: str | None = None
    """How often to try another arm, as `Exploration.parse` reads it."""

    def choices(self) -> "Choices":
        """What every query asks for.

        Raises:
            ConfigError: If both an arm and a model are named.
        """
        from fusion_agents.errors import ConfigError
        from fusion_agents.steps.turn import Choices

        if self.arm and self.model:
            raise ConfigError("give either --arm or --model")
        return Choices(arm=self.arm, model=self.model)


@contextmanager
def open_chain(asked: Asked) -> Iterator["FusionRouterChain"]:
    """Make the chain; the log that it records to is closed at the end.

    Raises:
        FusionError: If the models, the router, the objective, the log or the judge cannot be
            used.
    """
    from fusion_agents.chain import FusionRouterChain
    from fusion_agents.errors import ConfigError
    from fusion_agents.objective import Objective
    from fusion_agents.pool.pool import Pool
    from fusion_agents.routers.artefact import load_router
    from fusion_agents.stores.routing_log import RoutingLog

    if asked.explore and asked.router is None:
        raise ConfigError("--explore needs the forecasts of a router: give --router")
    objective = Objective.parse(asked.objective)
    policy = _policy(asked.deadline)
    pool = Pool.from_toml(asked.models)
    router = None if asked.router is None else load_router(asked.router)
    with ExitStack() as stack:
        log = None if asked.log is None else stack.enter_context(RoutingLog(asked.log))
        if router is None:
            yield FusionRouterChain.from_models(
                pool, objective=objective, policy=policy, record=log, judge=asked.judge
            )
        else:
            yield FusionRouterChain.from_router(
                router,
                models=pool,
                objective=objective,
                policy=policy,
                log=log,
                record=log is not None,
                judge=asked.judge,
                explore=asked.explore,
            )


def _policy(deadline: float) -> "AnswerPolicy":
    """A longer deadline also gives a single attempt more time: half of it."""
    from pydantic import ValidationError

    from fusion_agents.answering.policy import AnswerPolicy
    from fusion_agents.errors import ConfigError

    try:
        usual = AnswerPolicy(deadline=deadline)
    except ValidationError:
        raise ConfigError(f"--deadline must be a number of seconds, not {deadline}") from None
    timeout = max(usual.attempt_timeout or 0.0, deadline / 2)
    return usual.model_copy(update={"attempt_timeout": timeout})


def answer_evidence(answer: "Answer", *, explain: bool) -> dict[str, Any]:
    """The evidence of an answer; the forecasts of all arms only if they are asked for."""
    evidence: dict[str, Any] = answer.message.response_metadata["fusion"]
    return {key: value for key, value in evidence.items() if explain or key != "forecast"}


def dollars(cost: float | None) -> str:
    """An amount with the four digits that count most.

    >>> dollars(0.000123456), dollars(0.5), dollars(1234.5), dollars(None)
    ('$0.0001235', '$0.50', '$1,234.50', 'cost not known')
    """
    if cost is None:
        return "cost not known"
    if cost >= 1 or cost == 0:
        return f"${cost:,.2f}"
    exponent = int(f"{cost:.3e}".partition("e")[2])
    whole, _, digits = f"{cost:.{3 - exponent}f}".partition(".")
    return f"${whole}.{digits.rstrip('0').ljust(2, '0')}"
