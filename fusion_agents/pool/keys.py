"""Which texts are keys: those that chat models hold, and names that say so."""

import os
import re
from collections.abc import Iterator, Mapping, Sized
from typing import Any

from langchain_core.language_models import BaseChatModel
from pydantic import BaseModel, SecretBytes, SecretStr

NO_KEY = "not-needed"
"""Sent in place of a key to servers that take none."""

_SHORTEST = 6
"""Shorter texts are placeholders; hiding them everywhere would only garble messages."""
_DEPTH = 6
_MOST = 1_000
"""Settings have fewer entries; what has more is data."""
_SECRET_NAME = re.compile(
    r"api_?key|access_?key|private_?key|subscription_?key|secret|password|passwd|credential|authori[sz]ation|bearer"
    r"|(^|_)(auth|token)$"
)
_KEY = re.compile(
    r"\b(?:sk[-_]|gsk_|hf_|ghp_|nvapi-)(?=[\w-]*\d)[\w-]{16,}"
    r"|\bAIza[\w-]{30,}|\bAKIA[A-Z0-9]{16}\b|\beyJ[\w-]{10,}\.[\w-]{10,}|\b[Bb]earer [\w.~+/-]{8,}"
)
_CLIENT_KEYS = ("api_key", "auth_token", "admin_api_key")


def names_a_secret(name: str) -> bool:
    """Whether what goes by this name is a key; `max_tokens` is none.

    >>> names_a_secret("X-Api-Key"), names_a_secret("hf_token"), names_a_secret("max_tokens")
    (True, True, False)
    """
    return _SECRET_NAME.search(re.sub(r"\W+", "_", name).lower()) is not None


def looks_like_a_key(text: str) -> bool:
    """Whether there is a key of a well-known form in a text, whatever the text is called.

    >>> looks_like_a_key("openai:gpt-5-mini"), looks_like_a_key("Bearer 0123456789abcdef")
    (False, True)
    """
    return _KEY.search(text) is not None


def secrets_of(model: BaseChatModel) -> frozenset[str]:
    """Every key that can be reached from a chat model: its fields, headers and clients."""
    found = _walk(model, "", _DEPTH, set())
    return frozenset(text for text in found if len(text) >= _SHORTEST and text != NO_KEY)


def _walk(value: object, name: str, depth: int, seen: set[int]) -> Iterator[str]:
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, SecretBytes):
        yield value.get_secret_value().decode("utf-8", "replace")
    elif isinstance(value, str):
        if names_a_secret(name):
            yield from {value, value.removeprefix("Bearer ")}
    elif depth and id(value) not in seen and not _is_data(value):
        seen.add(id(value))
        for part, inner in _parts(value):
            yield from _walk(inner, part or name, depth - 1, seen)


def _is_data(value: object) -> bool:
    return isinstance(value, Sized) and len(value) > _MOST


def _parts(value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, BaseModel):
        yield from vars(value).items()
        yield from (value.__pydantic_private__ or {}).items()
        yield from (value.__pydantic_extra__ or {}).items()
    elif isinstance(value, Mapping):
        yield from ((str(key), inner) for key, inner in value.items())
    elif isinstance(value, list | tuple | set | frozenset):
        yield from (("", inner) for inner in value)
    elif callable(getattr(value, "with_options", None)):
        yield from ((name, getattr(value, name, None)) for name in _CLIENT_KEYS)
        yield "headers", getattr(value, "_custom_headers", None)


def without_secrets(text: str, environment: Mapping[str, str] | None = None) -> str:
    """Hide the values of environment variables whose names say that they are keys."""
    held: Any = os.environ if environment is None else environment
    secrets = [value for name, value in held.items() if names_a_secret(name)]
    for secret in sorted((s for s in secrets if len(s) >= _SHORTEST), key=len, reverse=True):
        text = text.replace(secret, "***")
    return text
