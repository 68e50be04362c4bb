"""The client that a provider is asked with: its server and its key."""

import os
from urllib.parse import urlsplit

import openai

from fusion_agents.distill.training.openai_options import OpenAIJobOptions
from fusion_agents.errors import ConfigError


def make_client(options: OpenAIJobOptions) -> openai.AsyncOpenAI:
    """Make a client for the server and with the key that the options and the environment name.

    Raises:
        ConfigError: If there is no such key, or a server is named and its key is not.
    """
    _check_url(options.base_url)
    if options.base_url and not options.api_key_env:
        raise ConfigError(
            f"the server {options.base_url!r} gets no key that was not meant for it: name the "
            "environment variable that holds its key (api_key_env)"
        )
    variable = options.api_key_env or "OPENAI_API_KEY"
    key = os.environ.get(variable)
    if not key:
        raise ConfigError(f"there is no key: set the environment variable {variable}")
    return openai.AsyncOpenAI(api_key=key, base_url=options.base_url, max_retries=0)


def _check_url(url: str | None) -> None:
    parts = urlsplit(url or "https://localhost")
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.password or parts.query:
        raise ConfigError(
            f"the base URL of {parts.hostname!r} must start with http:// or https:// and carry no "
            "password and no query"
        )
