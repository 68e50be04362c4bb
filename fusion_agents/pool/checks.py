"""What keeps models from being a pool together."""

from collections.abc import Iterable, Mapping

from fusion_agents.errors import ConfigError
from fusion_agents.pool.member import PoolModel
from fusion_agents.strategies.catalogue import strategy_classes


def check_members(members: Mapping[str, PoolModel]) -> None:
    """Refuse an empty pool, and a model that is in it twice.

    Raises:
        ConfigError: With the names that are meant.
    """
    if not members:
        raise ConfigError("the pool is empty: name at least one model")
    names: dict[str, str] = {}
    specs: dict[object, str] = {}
    for name, member in members.items():
        other = names.setdefault(name.casefold(), name)
        if other != name:
            raise ConfigError(f"{other!r} and {name!r} differ only in case: rename one of them")
        if not isinstance(member.spec, str):
            continue
        settings = (member.spec, member.base_url, member.api_key_env, repr(member.options))
        twin = specs.setdefault(settings, name)
        if twin != name:
            raise ConfigError(
                f"{twin!r} and {name!r} are the same model, {member.spec!r}: remove one of them, "
                "or list several strategies with strategies=[...]"
            )


def check_strategies(members: Iterable[PoolModel], known: Iterable[str]) -> None:
    """Refuse a strategy that there is not, neither now nor once there is a log.

    Raises:
        ConfigError: With the model and the strategies that there are.
    """
    names = {*known} | strategy_classes().keys()
    for member in members:
        for name in member.strategies or ():
            if name not in names:
                raise ConfigError(
                    f"{member.origin}: strategies: unknown strategy {name!r}: use some of "
                    f"{', '.join(sorted(names))}"
                )
