"""One model of the pool, as the user describes it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from langchain_core.language_models import BaseChatModel

from fusion_agents.errors import ConfigError
from fusion_agents.pool.keys import secrets_of
from fusion_agents.types import Dollars, ModelCard


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class PoolModel:
    """A model under the name that the user and the log give it; it is not built yet.

    Args:
        name: Names the model in the log; without "@", which separates the strategy.
        spec: A string for `init_chat_model`, such as `openai:gpt-5-mini`; `student:FOLDER` for a
            model whose weights are on this machine; or a chat model.
        card: What the user knows about it; the model's own profile fills in the rest. It is
            renamed to `name`.
        strategies: How it may be prompted; none for those that the log has, else `direct`.
        options: Further arguments for `init_chat_model`; never a key.
        base_url: Server to ask in place of the provider's.
        api_key_env: Environment variable that holds the key, where it is not the provider's own.
        cached_input_price: Dollars per million input tokens that the provider reads from its
            cache; none for the card's input price.
        origin: Names the model in messages about its settings.

    Raises:
        ConfigError: If the name cannot be one.
    """

    name: str
    spec: str | BaseChatModel
    card: ModelCard = field(default_factory=lambda: ModelCard(model="unnamed"))
    strategies: tuple[str, ...] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    base_url: str | None = None
    api_key_env: str | None = None
    cached_input_price: Dollars | None = None
    origin: str = ""

    def __post_init__(self) -> None:
        check_name(self.name)
        if self.card.model != self.name:
            object.__setattr__(self, "card", self.card.model_copy(update={"model": self.name}))
        if not self.origin:
            object.__setattr__(self, "origin", f"model {self.name!r}")

    @property
    def what(self) -> str:
        """The model in words, without anything that could be a secret."""
        return self.spec if isinstance(self.spec, str) else type(self.spec).__name__

    def __repr__(self) -> str:
        ways = "" if self.strategies is None else f", strategies={self.strategies!r}"
        return f"{type(self).__name__}(name={self.name!r}, spec={self.what!r}{ways})"

    def __getstate__(self) -> dict[str, Any]:
        if not isinstance(self.spec, str) and secrets_of(self.spec):
            raise TypeError(
                f"{self.origin} holds a key and cannot be written: describe it by a string such "
                "as 'openai:gpt-5-mini', then its key is read from the environment again"
            )
        return dict(vars(self))


def check_name(name: object, origin: str = "") -> None:
    """Say what keeps a text from naming a model.

    Args:
        name: What should be one.
        origin: Put in front of the message.

    Raises:
        ConfigError: If it is empty, padded, holds "@" or a control character.
    """
    where = origin and f"{origin}: "
    if not isinstance(name, str):
        raise ConfigError(f"{where}a model's name must be a text, not {type(name).__name__}")
    if not name.strip() or name != name.strip():
        raise ConfigError(
            f"{where}{name!r} cannot name a model: it is empty or has blanks around it"
        )
    if "@" in name:
        raise ConfigError(
            f"{where}{name!r} cannot name a model: '@' separates model and strategy; list "
            "strategies with strategies=[...]"
        )
    if not name.isprintable():
        raise ConfigError(f"{where}{name!r} cannot name a model: it holds a control character")
