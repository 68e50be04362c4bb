"""What is known about a model: what the user says, and below it what the model itself says."""

from langchain_core.language_models import BaseChatModel

from fusion_agents.types import ModelCard


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
