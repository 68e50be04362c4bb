"""Encoders by name."""

from fusion_agents.encoders.base import Encoder
from fusion_agents.errors import ConfigError
from fusion_agents.plugins import find_parts


def encoder_classes() -> dict[str, type[Encoder]]:
    """Encoders that can be made from their name alone, in alphabetical order."""
    parts = find_parts("fusion_agents.encoders", Encoder)
    return {name: cls for name, cls in parts.items() if cls.saveable}


def make_encoder(name: str) -> Encoder:
    """Make an encoder with its default options.

    Raises:
        ConfigError: If the name is unknown.
    """
    classes = encoder_classes()
    if name not in classes:
        raise ConfigError(f"unknown encoder {name!r}: use one of {', '.join(classes)}")
    return classes[name]()
