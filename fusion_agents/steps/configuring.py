"""What a call chooses by its LangChain configuration, and what its run says of the route."""

from langchain_core.runnables import RunnableConfig, ensure_config
from langchain_core.runnables.config import merge_configs
from langchain_core.runnables.utils import ConfigurableFieldSpec

from fusion_agents.steps.evidence import evidence
from fusion_agents.steps.preparing import Prepared
from fusion_agents.steps.turn import Choices

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
    """What a call chooses."""
    configurable = ensure_config(config).get("configurable", {})
    chosen = {name: configurable.get(key_of(name, prefix)) for name in CHOICES}
    return Choices(**{name: value for name, value in chosen.items() if value is not None})


def described(config: RunnableConfig | None, prepared: Prepared) -> RunnableConfig:
    """The run's configuration, with the route in its tags and metadata."""
    config = ensure_config(config)
    if prepared.turn is None or prepared.route is None:
        return config
    found = evidence(prepared.turn, prepared.route)
    return merge_configs(
        config,
        {"tags": ["fusion", f"route:{prepared.route.arm}"], "metadata": {"fusion": found}},
    )
