"""Refuses hyper-parameters that make no sense, when a router is fitted."""

from fusion_agents.errors import ConfigError
from fusion_agents.routers.base import Router


def check_least(router: Router, **least: float) -> None:
    """Check that options are not below a smallest value.

    Raises:
        ConfigError: If one is, or is not a number.
    """
    for name, smallest in least.items():
        value = getattr(router, name)
        if not value >= smallest:
            raise ConfigError(
                f"option {name} of router {router.name!r} must be at least {smallest:g}, "
                f"not {value!r}"
            )
