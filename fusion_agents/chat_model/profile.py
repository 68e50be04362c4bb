"""What a chat model that may answer with any of several models can say of itself."""

from collections.abc import Iterable
from typing import cast

from langchain_core.language_models import ModelProfile

from fusion_agents.errors import ConfigError
from fusion_agents.pool.pool import Pool


def common_profile(pool: Pool, models: Iterable[str]) -> ModelProfile | None:
    """What holds whichever of these models is chosen.

    An ability counts if all have it, and a limit is the lowest one; what is not known of each
    model is left out. None if nothing is left.
    """
    first, *others = [_profile(pool, name) for name in dict.fromkeys(models)]
    common: dict[str, int] = {}
    for key, value in first.items():
        values = [value, *(other.get(key) for other in others)]
        if all(isinstance(value, bool) for value in values):
            common[key] = all(values)
        elif all(isinstance(value, int) and not isinstance(value, bool) for value in values):
            common[key] = min(cast("list[int]", values))
    return cast("ModelProfile", common) or None


def _profile(pool: Pool, name: str) -> dict[str, object]:
    """The model's own profile, and over it what the user says of the model."""
    card = pool.card(name)
    try:
        own = dict(pool.chat_model(name).profile or {})
    except ConfigError:
        own = {}
    said = {
        "max_input_tokens": card.context_window,
        "tool_calling": card.tools,
        "image_inputs": card.vision,
        "structured_output": False if card.structured_output is False else None,
    }
    return own | {key: value for key, value in said.items() if value is not None}
