"""The models that may answer, by the user's names."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import RLock
from types import MappingProxyType
from typing import Any, Self

from langchain_core.language_models import BaseChatModel
from langchain_core.tools import BaseTool
from pydantic import SecretStr

from fusion_agents.conversation import Needs
from fusion_agents.errors import ConfigError
from fusion_agents.pool.building import build
from fusion_agents.pool.cards import unable, with_profile
from fusion_agents.pool.checks import check_members, check_strategies
from fusion_agents.pool.keys import secrets_of
from fusion_agents.pool.matching import Coverage, compare
from fusion_agents.pool.member import PoolModel
from fusion_agents.pool.models_file import read_models
from fusion_agents.pool.prices import Prices, dollars, prices_of
from fusion_agents.pool.tables import read_member
from fusion_agents.pool.tools import arm_tools
from fusion_agents.strategies.base import Strategy
from fusion_agents.strategies.catalogue import make_strategies, strategy_classes
from fusion_agents.types import Arm, ModelCard, Usage

PoolInput = str | BaseChatModel | Mapping[str, Any] | PoolModel


class Pool:
    """The models that may answer, and how each may be prompted.

    Chat models are made when they are first asked for: neither a key nor a provider's package is
    needed to describe a pool. Their clients send each request once, as repeating is decided in
    one place; a chat model that the caller made is copied for that, not changed. One pool may be
    used by any number of threads.

    Args:
        models: By the names that the log has: a string for `init_chat_model`, a chat model, or a
            table as in `models.toml`, such as `{"model": "openai:gpt-5-mini", "price": {...}}`.
        strategies: Strategies beside the ones that need no log, such as one made from a log.

    Raises:
        ConfigError: If there is no model, a name cannot be one or comes twice, or a table is
            wrong.

    >>> pool = Pool({"small": "openai:gpt-5-mini", "large": "openai:gpt-5"})
    >>> [str(arm) for arm in pool.arms]
    ['small@direct', 'large@direct']
    """

    def __init__(
        self,
        models: Mapping[str, PoolInput],
        *,
        strategies: Mapping[str, Strategy] | None = None,
    ) -> None:
        if not isinstance(models, Mapping):
            raise ConfigError(
                f"a pool is made from a dict of names and models, not {type(models).__name__}"
            )
        members = {name: read_member(name, value) for name, value in models.items()}
        check_members(members)
        self._strategies = {**make_strategies(), **(strategies or {})}
        self._models = members
        check_strategies(members.values(), self._strategies)
        self._built: dict[str, BaseChatModel] = {}
        self._cards: dict[str, ModelCard] = {}
        self._secrets: dict[str, frozenset[SecretStr]] = {}
        self._lock = RLock()

    @classmethod
    def from_toml(
        cls, path: str | Path, *, strategies: Mapping[str, Strategy] | None = None
    ) -> Self:
        """Read a pool from a file of `[models.NAME]` tables.

        Raises:
            ConfigError: If the file cannot be read or is wrong; names the table and the key.
        """
        return cls(read_models(path), strategies=strategies)

    @property
    def models(self) -> Mapping[str, PoolModel]:
        """The models by name, in the order given."""
        return MappingProxyType(self._models)

    @property
    def strategies(self) -> Mapping[str, Strategy]:
        """The strategies that can be used, by name."""
        return MappingProxyType(self._strategies)

    @property
    def arms(self) -> tuple[Arm, ...]:
        """Models times their strategies; a model that names none is asked directly.

        A strategy that has yet to be made from a log gives no arm; see `missing_strategies`.
        """
        return self._arms({})

    @property
    def missing_strategies(self) -> frozenset[str]:
        """Strategies that models name and that must be made from a log first."""
        named = {name for m in self._models.values() for name in m.strategies or ()}
        return frozenset(named - self._strategies.keys())

    def for_arms(self, logged: Sequence[Arm]) -> Coverage:
        """Compare the pool with the arms that a log or a router knows.

        A model that names no strategies gets those that the log has of it and the pool can use.
        """
        ways: dict[str, list[str]] = {}
        for arm in logged:
            if arm.strategy in self._strategies:
                ways.setdefault(arm.model, []).append(arm.strategy)
        return compare(self._models, self._arms(ways), logged)

    def with_strategies(self, strategies: Mapping[str, Strategy]) -> "Pool":
        """A pool that has further strategies; chat models that were made are shared."""
        other = Pool(self._models, strategies={**self._strategies, **strategies})
        other._built, other._cards, other._secrets = self._built, self._cards, self._secrets
        other._lock = self._lock
        return other

    def chat_model(self, name: str) -> BaseChatModel:
        """The chat model, made on first use.

        Raises:
            ConfigError: If the pool has no such model, or it cannot be made: a package, a key or
                an option is missing or wrong.
        """
        found = self._built.get(name)
        if found is None:
            member = self._member(name)
            with self._lock:
                found = self._built.get(name)
                if found is None:
                    found = self._built[name] = build(member)
                    self._cards[name] = with_profile(member.card, found)
        return found

    def strategy(self, name: str) -> Strategy:
        """The strategy of this name.

        Raises:
            ConfigError: If there is none, or it has to be made from a log first.
        """
        if name in self._strategies:
            return self._strategies[name]
        cls = strategy_classes().get(name)
        if cls is not None:
            maker = f"{cls.__name__}{'.from_log' if hasattr(cls, 'from_log') else ''}"
            raise ConfigError(
                f"the strategy {name!r} looks things up in a log: pass the log, or make it with "
                f"{maker} and pass it as strategies={{{name!r}: ...}}"
            )
        raise ConfigError(f"unknown strategy {name!r}: use one of {', '.join(self._strategies)}")

    def card(self, name: str) -> ModelCard:
        """What the user says about a model, and what its own profile adds.

        The profile is left out as long as the model cannot be made; asking for the card tries
        that once.

        Raises:
            ConfigError: If the pool has no such model.
        """
        member = self._member(name)
        with self._lock:
            if name not in self._cards:
                with suppress(ConfigError):
                    self.chat_model(name)
                self._cards.setdefault(name, member.card)
            return self._cards[name]

    @property
    def has_cards(self) -> bool:
        """Whether `card` was asked for each model, so that it need not make one any more."""
        return self._cards.keys() >= self._models.keys()

    def unfit(self, arm: Arm, needs: Needs) -> str | None:
        """Say why an arm cannot answer; none if it can. What is not known counts as able.

        Raises:
            ConfigError: If the pool has no such model.
        """
        card = self.card(arm.model)
        if arm.strategy not in self._strategies:
            return f"{arm}: the pool has no strategy {arm.strategy!r}"
        return unable(arm, card, needs, self._strategies[arm.strategy].added_tokens)

    def cost(self, name: str, usage: Usage) -> float | None:
        """Dollars that the tokens cost; none if the prices or the tokens are not known.

        Raises:
            ConfigError: If the pool has no such model.
        """
        return dollars(self._member(name), usage)

    def prices(self, name: str) -> Prices | None:
        """The prices that `cost` counts with: the settings', else those of a dated table.

        Raises:
            ConfigError: If the pool has no such model.
        """
        return prices_of(self._member(name))

    def secrets(self) -> frozenset[str]:
        """Every key that the chat models hold, to hide them in messages."""
        with self._lock:
            made = {n: m.spec for n, m in self._models.items() if not isinstance(m.spec, str)}
            for name, model in (made | self._built).items():
                if name not in self._secrets:
                    self._secrets[name] = frozenset(map(SecretStr, secrets_of(model)))
            held = frozenset().union(*self._secrets.values())
        return frozenset(secret.get_secret_value() for secret in held)

    def as_tools(self, arms: Sequence[Arm] | None = None) -> list[BaseTool]:
        """Every arm as a tool that takes a query and gives the answer's text.

        Args:
            arms: Which ones; without it, all of the pool.

        Raises:
            ConfigError: If the pool lacks a model or a strategy.
        """
        return arm_tools(self, self.arms if arms is None else arms)

    def _arms(self, ways: Mapping[str, Sequence[str]]) -> tuple[Arm, ...]:
        return tuple(
            Arm(model=name, strategy=strategy)
            for name, member in self._models.items()
            for strategy in member.strategies or dict.fromkeys(ways.get(name, ("direct",)))
            if strategy in self._strategies
        )

    def _member(self, name: str) -> PoolModel:
        if name not in self._models:
            raise ConfigError(
                f"the pool has no model {name!r}: it has {', '.join(map(repr, self._models))}"
            )
        return self._models[name]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(str, self.arms))})"

    def __getstate__(self) -> dict[str, Any]:
        return {"models": self._models, "strategies": self._strategies}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["models"], strategies=state["strategies"])  # type: ignore[misc]

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self
