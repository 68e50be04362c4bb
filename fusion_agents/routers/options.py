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


def check_within(router: Router, **bounds: tuple[float, float]) -> None:
    """Check that options lie between a smallest and a largest value.

    Raises:
        ConfigError: If one does not, or is not a number.
    """
    for name, (smallest, largest) in bounds.items():
        value = getattr(router, name)
        if not smallest <= value <= largest:
            raise ConfigError(
                f"option {name} of router {router.name!r} must lie between {smallest:g} and "
                f"{largest:g}, not {value!r}"
            )
