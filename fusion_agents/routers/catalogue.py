"""Routers by name."""

import math
from dataclasses import fields
from typing import Any

from fusion_agents.encoders.base import Encoder
from fusion_agents.errors import ConfigError
from fusion_agents.plugins import find_parts
from fusion_agents.routers.base import Router


def router_classes() -> dict[str, type[Router]]:
    """All routers by name, in alphabetical order."""
    return find_parts("fusion_agents.routers", Router)


def make_router(spec: str, *, encoder: Encoder | None = None, seed: int = 0) -> Router:
    """Make a router from its name, or from `name:key=value,key=value`.

    Raises:
        ConfigError: If the name or a hyper-parameter is unknown, or a value cannot be read.

    >>> make_router("knn:k=20").k
    20
    """
    name, _, options = spec.partition(":")
    classes = router_classes()
    if name not in classes:
        raise ConfigError(f"unknown router {name!r}: use one of {', '.join(classes)}")
    cls = classes[name]
    values = dict(_parse_option(cls, option) for option in options.split(",") if option)
    if encoder is not None:
        values["encoder"] = encoder
    return cls(**{"seed": seed, **values})


def hyper_parameters(cls: type[Router]) -> dict[str, Any]:
    """A router's hyper-parameters with their defaults, the encoder left out."""
    return {f.name: f.default for f in fields(cls) if f.init and f.name != "encoder"}


def _parse_option(cls: type[Router], option: str) -> tuple[str, Any]:
    name, equals, text = option.partition("=")
    known = hyper_parameters(cls)
    if not equals or name not in known:
        raise ConfigError(
            f"router {cls.name!r} has no option {name!r}: known: {', '.join(known) or 'none'}"
        )
    kind = type(known[name])
    try:
        value = text.lower() in ("true", "1", "yes") if kind is bool else kind(text)
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"{name}={text!r} of router {cls.name!r} is no {kind.__name__}"
        ) from error
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{name}={text!r} of router {cls.name!r} must be a finite number")
    return name, value
