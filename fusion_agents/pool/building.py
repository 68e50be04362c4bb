"""Chat models from strings: `init_chat_model`, with errors that say what is missing."""

import os
import re
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from langchain_core.language_models import BaseChatModel
from pydantic import SecretStr, ValidationError

from fusion_agents.errors import ConfigError
from fusion_agents.pool.attempts import single_attempt
from fusion_agents.pool.keys import NO_KEY, without_secrets
from fusion_agents.pool.member import PoolModel
from fusion_agents.pool.student_spec import build_student, is_student

KEY_VARIABLES: Mapping[str, str | None] = {
    "anthropic": "ANTHROPIC_API_KEY",
    "anthropic_bedrock": None,
    "azure_ai": "AZURE_AI_CREDENTIAL",
    "azure_openai": "AZURE_OPENAI_API_KEY",
    "bedrock": None,
    "bedrock_converse": None,
    "cohere": "COHERE_API_KEY",
    "deepseek": "DEEPSEEK_API_KEY",
    "fireworks": "FIREWORKS_API_KEY",
    "google_anthropic_vertex": None,
    "google_genai": "GOOGLE_API_KEY",
    "google_vertexai": None,
    "groq": "GROQ_API_KEY",
    "huggingface": "HUGGINGFACEHUB_API_TOKEN",
    "ibm": "WATSONX_APIKEY",
    "litellm": None,
    "mistralai": "MISTRAL_API_KEY",
    "nvidia": "NVIDIA_API_KEY",
    "ollama": None,
    "openai": "OPENAI_API_KEY",
    "openrouter": "OPENROUTER_API_KEY",
    "perplexity": "PPLX_API_KEY",
    "student": None,
    "together": "TOGETHER_API_KEY",
    "upstage": "UPSTAGE_API_KEY",
    "xai": "XAI_API_KEY",
}
"""Which environment variable each provider's package reads; none where it is not just one."""

_FACTORIES = frozenset({"huggingface"})
"""Providers whose options are those of a function, not of the chat model."""
_VARIABLE = re.compile(r"\b[A-Z][A-Z0-9]*_[A-Z0-9_]*(?:KEY|TOKEN|CREDENTIAL)\b")
_INSTALL = re.compile(r"pip install (?:-U )?[\w.-]+")


def build(member: PoolModel) -> BaseChatModel:
    """Make the member's chat model, whose client sends each request once.

    Raises:
        ConfigError: If the provider's package, the key or a student's files are missing, or an
            option is wrong. The message never holds a key.
    """
    if not isinstance(member.spec, str):
        return single_attempt(member.spec)
    if is_student(member.spec):
        return build_student(member)
    arguments = _arguments(member)
    model, problem = _attempt(member, arguments)
    if model is not None and "max_retries" in type(model).model_fields:
        model, problem = _attempt(member, {**arguments, "max_retries": 0})
    if model is None:  # raised here, so that no traceback leads to the provider's own error
        raise ConfigError(f"{member.origin}: {problem}")
    _check_options(member, model)
    _check_key(member, model)
    return single_attempt(model)


def provider_of(member: PoolModel) -> str | None:
    """The provider that the settings name; none if they name none."""
    if "model_provider" in member.options:
        return str(member.options["model_provider"])
    prefix, colon, _ = str(member.spec).partition(":")
    return prefix if colon and prefix in KEY_VARIABLES else None


def _arguments(member: PoolModel) -> dict[str, Any]:
    arguments = dict(member.options)
    if member.api_key_env is not None:
        key = os.environ.get(member.api_key_env)
        if not key:
            raise ConfigError(
                f"{member.origin}: its key is read from the environment variable "
                f"{member.api_key_env}, which is not set"
            )
        arguments["api_key"] = SecretStr(key)
    if member.base_url is not None:
        arguments["base_url"] = member.base_url
        _for_server(member, arguments)
    return arguments


def _for_server(member: PoolModel, arguments: dict[str, Any]) -> None:
    """Fill in what a server that speaks OpenAI's language needs.

    A model that names no provider gets no key of one: `OPENAI_API_KEY` is not meant for just any
    server.
    """
    provider = provider_of(member)
    if provider is None:
        arguments.setdefault("model_provider", "openai")
    if provider not in (None, "openai"):
        return
    arguments.setdefault("stream_usage", True)
    if provider is None or not os.environ.get("OPENAI_API_KEY"):
        arguments.setdefault("api_key", SecretStr(NO_KEY))


def _attempt(member: PoolModel, arguments: dict[str, Any]) -> tuple[BaseChatModel | None, str]:
    make = import_module("langchain.chat_models").init_chat_model
    try:
        made = make(member.spec, **arguments)
    except Exception as error:  # noqa: BLE001  a provider's package may raise anything
        return None, _problem(member, error)
    if not isinstance(made, BaseChatModel):
        return None, f"{member.spec!r} names no single chat model"
    return made, ""


def _problem(member: PoolModel, error: Exception) -> str:
    text = without_secrets(str(error))
    if isinstance(error, ImportError):
        install = _INSTALL.search(text)
        return f"{member.spec!r} needs a package: {install.group() if install else text}"
    named = _VARIABLE.search(text)
    if named is not None:
        variable = KEY_VARIABLES.get(provider_of(member) or "") or named.group()
        if not os.environ.get(variable):
            return f"{member.spec!r} needs a key: set the environment variable {variable}"
    if isinstance(error, ValidationError):
        text = "; ".join(
            f"{'.'.join(map(str, detail['loc'])) or 'options'}: {without_secrets(detail['msg'])}"
            for detail in error.errors(include_input=False, include_context=False)
        )
    if "nable to infer model provider" in text:
        return (
            f"{member.spec!r} names no provider: write it as 'provider:model', such as "
            "'openai:gpt-5-mini', or give a base_url"
        )
    return f"cannot make {member.spec!r}: {type(error).__name__}: {text}"


def _check_options(member: PoolModel, model: BaseChatModel) -> None:
    """Refuse what the model would ignore, or send on to the provider unread."""
    fields = type(model).model_fields
    known = {*fields, *(f.alias for f in fields.values()), "model_provider"}
    unread = set(getattr(model, "model_kwargs", None) or {})
    if type(model).model_config.get("extra", "ignore") == "ignore":
        unread |= member.options.keys() - known
    for option in member.options:
        if option in unread and provider_of(member) not in _FACTORIES:
            raise ConfigError(
                f"{member.origin}: {option!r} is no option of {type(model).__name__}; what only "
                "the provider knows goes into model_kwargs"
            )


def _check_key(member: PoolModel, model: BaseChatModel) -> None:
    """Notice a key that is missing now rather than with the first call."""
    for name, value in vars(model).items():
        if isinstance(value, SecretStr) and name.endswith("api_key") and not len(value):
            variable = KEY_VARIABLES.get(provider_of(member) or "") or name.upper()
            raise ConfigError(
                f"{member.origin}: {member.spec!r} needs a key: set the environment variable "
                f"{variable}"
            )
