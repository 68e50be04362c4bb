"""What a call chooses by its LangChain configuration, and what its run says of the route."""

from contextlib import suppress
from typing import cast
from uuid import UUID

from langchain_core.callbacks import BaseCallbackManager, Callbacks
from langchain_core.runnables import RunnableConfig, ensure_config
from langchain_core.runnables.utils import ConfigurableFieldSpec

from fusion_agents.steps.evidence import evidence
from fusion_agents.steps.preparing import Prepared
from fusion_agents.steps.turn import Choices, turn_key

CHOICES = {
    "objective": "A preset such as 'balance', or weights such as 'performance=1,cost=0.3'.",
    "model": "Answer with this model of the pool.",
    "arm": "Answer with this arm, as model@strategy.",
    "tenant": "On whose behalf; kept in the log.",
}
"""What a call may choose in `config["configurable"]`."""


def key_of(name: str, prefix: str) -> str:
    """The configurable key of a choice."""
    return f"{prefix}_{name}" if prefix else name


def config_specs(prefix: str = "") -> list[ConfigurableFieldSpec]:
    """The choices as LangChain describes them."""
    return [
        ConfigurableFieldSpec(
            id=key_of(name, prefix), annotation=str, name=name, description=description
        )
        for name, description in CHOICES.items()
    ]


def choices_of(config: RunnableConfig | None, prefix: str = "") -> Choices:
    """What a call chooses; names are texts, also where an app has numbers for them.

    Where the caller gives its run an id, that is the turn's key.
    """
    given = ensure_config(config)
    configurable = given.get("configurable", {})
    run_id = given.get("run_id")
    chosen = {name: configurable.get(key_of(name, prefix)) for name in CHOICES}
    objective = chosen.pop("objective")
    names = {name: str(value) for name, value in chosen.items() if value is not None}
    return Choices(objective=objective, **names, turn=turn_key(run_id) if run_id else None)


def described(config: RunnableConfig | None, prepared: Prepared) -> RunnableConfig:
    """The run's configuration: its id is the turn's key, and the route is in tags and metadata."""
    config = _identified(ensure_config(config), prepared)
    if prepared.turn is None or prepared.route is None:
        return config
    found = evidence(prepared.turn, prepared.route)
    tags = ["fusion", f"route:{prepared.route.arm}"]
    return extended(config, RunnableConfig(tags=tags, metadata={"fusion": found}))


def _identified(config: RunnableConfig, prepared: Prepared) -> RunnableConfig:
    if prepared.turn is None or config.get("run_id") is not None:
        return config
    with suppress(ValueError):  # a key that a caller of the steps made up need be no id
        config["run_id"] = UUID(hex=prepared.turn.key)
    return config


def extended(
    config: RunnableConfig | None, extra: RunnableConfig, *, own: bool = True
) -> RunnableConfig:
    """A configuration with what another one adds to it.

    LangChain's `merge_configs` fills both from the run around them first, so that a caller could
    not keep callbacks of that run away.

    Args:
        config: Filled from the run around it.
        extra: Taken as it is.
        own: Whether `config` is a caller's; otherwise it is taken as it is, too.
    """
    base = ensure_config(config) if own else RunnableConfig(**(config or {}))
    joined = cast("RunnableConfig", {**base, **{k: value for k, value in extra.items() if value}})
    joined["tags"] = list(dict.fromkeys((*base.get("tags", ()), *extra.get("tags", ()))))
    joined["metadata"] = {**base.get("metadata", {}), **extra.get("metadata", {})}
    joined["configurable"] = {**base.get("configurable", {}), **extra.get("configurable", {})}
    joined["callbacks"] = _together(base.get("callbacks"), extra.get("callbacks"))
    return joined


def _together(base: Callbacks, extra: Callbacks) -> Callbacks:
    if not extra:
        return base
    handlers = extra.handlers if isinstance(extra, BaseCallbackManager) else extra
    if not isinstance(base, BaseCallbackManager):
        return [*(base or ()), *handlers]
    manager = base.copy()
    for handler in handlers:
        manager.add_handler(handler, inherit=True)
    return manager
