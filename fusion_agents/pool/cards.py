"""What is known about a model, and whether it is able to answer.

What the user says comes first, and below it what the model itself says.
"""

import math

from langchain_core.language_models import BaseChatModel

from fusion_agents.conversation import Needs
from fusion_agents.types import Arm, ModelCard

_ANSWER = 256
"""Tokens of the context window that are kept for the answer."""
_MARGIN = 1.1
"""Token counts are estimates."""


def with_profile(card: ModelCard, model: BaseChatModel) -> ModelCard:
    """Fill in what the card leaves open from the model's own profile, where it has one.

    A model that calls functions gives structured output too, by way of one.
    """
    profile = model.profile or {}
    tools, native = profile.get("tool_calling"), profile.get("structured_output")
    structured = True if native or tools else native
    found = {
        "description": profile.get("name", ""),
        "context_window": profile.get("max_input_tokens") or None,
        "tools": tools,
        "vision": profile.get("image_inputs"),
        "structured_output": structured,
    }
    known = {name: value for name, value in card if value is not None and value != ""}
    return ModelCard.model_validate({**found, **known})


def unable(arm: Arm, card: ModelCard, needs: Needs, added_tokens: int = 0) -> str | None:
    """Say why an arm cannot answer; none if it can. What is not known counts as able.

    Args:
        arm: Named in the answer.
        card: What is known about its model.
        needs: What the call asks of it.
        added_tokens: What its strategy adds to the messages.
    """
    if needs.tools and card.tools is False:
        return f"{arm.model} cannot call tools"
    if needs.vision and card.vision is False:
        return f"{arm.model} cannot see pictures"
    if needs.structured_output and card.structured_output is False:
        return f"{arm.model} cannot give structured output"
    room = math.ceil((needs.tokens + added_tokens) * _MARGIN) + _ANSWER
    if card.context_window is not None and room > card.context_window:
        return (
            f"{arm} needs about {room} tokens; the context window of {arm.model} has "
            f"{card.context_window}"
        )
    return None
