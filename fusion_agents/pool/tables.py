"""One model's settings as a table of plain values, from `models.toml` or from a dict."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any
from urllib.parse import urlsplit

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import Runnable
from pydantic import BaseModel, ConfigDict, Field, InstanceOf, ValidationError, field_validator

from fusion_agents.errors import ConfigError
from fusion_agents.pool.keys import looks_like_a_key, names_a_secret
from fusion_agents.pool.member import PoolModel, check_name
from fusion_agents.types import Dollars, ModelCard, Tokens

_DEPTH = 16
_LARGEST = 2**63
"""What providers read as a number is smaller; the digits of a much larger one fill the memory."""
_OF_CARD = ("description", "context_window", "size", "tools", "vision", "structured_output")


class Price(BaseModel):
    """Dollars per million tokens."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    input: Dollars | None = None
    output: Dollars | None = None
    cached_input: Dollars | None = None
    """Of input tokens that the provider reads from its cache."""


class ModelTable(BaseModel):
    """What a `[models.NAME]` table may hold; what else is there goes to `init_chat_model`."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True, arbitrary_types_allowed=True)

    model: str | InstanceOf[BaseChatModel]
    """As `init_chat_model` takes it, such as `openai:gpt-5-mini`; or `student:FOLDER`."""
    base_url: str | None = None
    """Server to ask in place of the provider's. If the model names no provider, the server is
    spoken to as OpenAI's is, and gets no key but that of `api_key_env`."""
    api_key_env: str | None = Field(default=None, pattern=r"^[A-Z_][A-Z0-9_]*$")
    """Environment variable that holds the key."""
    price: Price = Price()
    strategies: tuple[str, ...] | None = Field(default=None, min_length=1)
    description: str = ""
    context_window: Tokens | None = None
    size: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Billions of parameters."""
    tools: bool | None = None
    vision: bool | None = None
    structured_output: bool | None = None

    @field_validator("model")
    @classmethod
    def _names_something(cls, value: str | BaseChatModel) -> str | BaseChatModel:
        if isinstance(value, str) and not value.strip():
            raise ValueError("must name a model, such as 'openai:gpt-5-mini'")
        return value

    @field_validator("strategies", mode="before")
    @classmethod
    def _may_be_a_list(cls, value: object) -> object:
        return tuple(value) if isinstance(value, list) else value

    @field_validator("base_url")
    @classmethod
    def _is_a_url_without_keys(cls, value: str | None) -> str | None:
        parts = urlsplit(value or "http://localhost")
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise ValueError("must start with http:// or https://")
        if parts.username or parts.password or parts.query:
            raise ValueError("must not carry a name, a password or a query; see api_key_env")
        return value


def read_member(name: object, value: object, origin: str = "") -> PoolModel:
    """Read one entry of the pool.

    Args:
        name: The model's name.
        value: A string, a chat model, a table or a pool model.
        origin: Names the table in messages.

    Raises:
        ConfigError: If something in it is wrong or a key is in it; names the table and the key.
    """
    check_name(name, origin)
    name = str(name)
    where = origin or f"model {name!r}"
    if isinstance(value, PoolModel):
        if value.name != name:
            raise ConfigError(f"{where}: the pool model is called {value.name!r}, not {name!r}")
        return value
    if isinstance(value, str | BaseChatModel):
        value = {"model": value}
    if isinstance(value, Runnable):
        raise ConfigError(
            f"{where}: must be a chat model as it is, without anything bound to it, not "
            f"{type(value).__name__}"
        )
    if not isinstance(value, Mapping):
        raise ConfigError(
            f"{where}: must be a string such as 'openai:gpt-5-mini', a chat model or a table of "
            f"settings, not {type(value).__name__}"
        )
    return _from_table(name, value, where)


def _from_table(name: str, value: Mapping[str, object], where: str) -> PoolModel:
    _refuse_keys(value, where)
    table = _validated(value, where)
    strategies = None if table.strategies is None else tuple(dict.fromkeys(table.strategies))
    options = table.model_extra or {}
    _check_options(options, where)
    if not isinstance(table.model, str) and (options or table.base_url or table.api_key_env):
        extra = next(iter([*options, *(["base_url"] if table.base_url else ["api_key_env"])]))
        raise ConfigError(
            f"{where}: {extra}: the model is a {type(table.model).__name__} already; set it there"
        )
    card = {field: getattr(table, field) for field in _OF_CARD}
    prices = {"input_price": table.price.input, "output_price": table.price.output}
    return PoolModel(
        name=name,
        spec=table.model,
        card=ModelCard(model=name, **card, **prices),
        strategies=strategies,
        options=options,
        base_url=table.base_url,
        api_key_env=table.api_key_env,
        cached_input_price=table.price.cached_input,
        origin=where,
    )


def _validated(value: Mapping[str, object], where: str) -> ModelTable:
    try:
        return ModelTable.model_validate(dict(value))
    except ValidationError as error:
        first = error.errors(include_input=False, include_context=False)[0]
    at = ".".join(str(part) for part in first["loc"][:2] if part not in ("str", "float"))
    if at == "api_key_env":
        problem = "must be the name of an environment variable, such as 'OPENAI_API_KEY'"
    else:
        problem = first["msg"][:1].lower() + first["msg"][1:]
    raise ConfigError(f"{where}: {at}: {problem}")


def _refuse_keys(value: object, where: str, path: tuple[str, ...] = (), depth: int = 0) -> None:
    if depth > _DEPTH:
        raise ConfigError(f"{where}: {path[0]}: is nested more than {_DEPTH} levels deep")
    if isinstance(value, str) and looks_like_a_key(value):
        raise ConfigError(
            f"{where}: {'.'.join(path)}: looks like a key; keys do not belong into settings: put "
            "it into an environment variable and name that with api_key_env"
        )
    if isinstance(value, Mapping):
        for name, inner in value.items():
            here = (*path, str(name))
            if here != ("api_key_env",) and names_a_secret(str(name)):
                raise ConfigError(
                    f"{where}: {'.'.join(here)}: keys do not belong into settings; put it into an "
                    "environment variable and name that with api_key_env"
                )
            _refuse_keys(inner, where, here, depth + 1)
    elif isinstance(value, list | tuple):
        for inner in value:
            _refuse_keys(inner, where, path, depth + 1)


def _check_options(options: Mapping[str, object], where: str) -> None:
    for name, value in options.items():
        if name == "max_retries":
            raise ConfigError(
                f"{where}: max_retries: how often a call is repeated is said by AnswerPolicy"
            )
        meant = get_close_matches(name, ModelTable.model_fields, n=1, cutoff=0.8)
        if meant:
            raise ConfigError(f"{where}: {name}: unknown; did you mean {meant[0]!r}?")
        if not _is_plain(value):
            raise ConfigError(
                f"{where}: {name}: must be a text, a number, true or false, a list or a table of "
                f"those, not {type(value).__name__}"
            )


def _is_plain(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(map(_is_plain, value.values()))
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    if isinstance(value, int):
        return abs(value) <= _LARGEST
    return value is None or isinstance(value, str | float)
