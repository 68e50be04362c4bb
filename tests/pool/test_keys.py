import pytest
from langchain_openai import AzureChatOpenAI, ChatOpenAI

from fusion_agents.pool.keys import NO_KEY, names_a_secret, secrets_of, without_secrets
from fusion_agents.testing.fake_chat import FakeChatModel

NAMES = [
    "api_key", "apikey", "apiKey", "API-KEY", "openai_api_key", "x-api-key", "token", "hf_token",
    "session_token", "secret", "client_secret", "aws_secret_access_key", "aws_access_key_id",
    "password", "Authorization", "credentials", "auth",
]  # fmt: skip
INNOCENT = [
    "max_tokens", "max_completion_tokens", "tokenizer", "top_k", "stop", "pad_token_id", "seed",
    "monkey", "author", "prompt_cache_key", "keep_alive", "api_version",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_names_of_keys_are_recognised(name: str) -> None:
    assert names_a_secret(name)


@pytest.mark.parametrize("name", INNOCENT)
def test_other_names_are_not(name: str) -> None:
    assert not names_a_secret(name)


def test_keys_are_found_in_fields_headers_and_clients() -> None:
    model = ChatOpenAI(
        model="m",
        api_key="sk-field-0123456789",
        default_headers={"X-Api-Key": "header-0123456789", "X-Team": "not-a-secret"},
        model_kwargs={"extra_headers": {"Authorization": "Bearer nested-0123456789"}},
    )
    assert secrets_of(model) == {
        "sk-field-0123456789",
        "header-0123456789",
        "Bearer nested-0123456789",
        "nested-0123456789",
    }


def test_keys_of_azure_are_found() -> None:
    model = AzureChatOpenAI(
        azure_endpoint="https://example.org",
        api_version="2024-10-21",
        azure_deployment="m",
        api_key="azure-0123456789",
    )
    assert secrets_of(model) == {"azure-0123456789"}


def test_placeholders_are_no_secrets() -> None:
    for key in (NO_KEY, "x", "none"):
        assert secrets_of(FakeChatModel(api_key=key)) == frozenset()


def test_values_of_secret_variables_are_hidden() -> None:
    held = {"MY_API_KEY": "sk-0123456789", "MY_TOKEN": "sk-0123456789-longer", "HOME": "/somewhere"}
    text = "sk-0123456789-longer and sk-0123456789 in /somewhere"
    assert without_secrets(text, held) == "*** and *** in /somewhere"
