import pytest

from fusion_agents.errors import ConfigError
from fusion_agents.pool.tables import read_member
from fusion_agents.testing.fake_chat import FakeChatModel


def test_a_string_and_a_chat_model_are_tables_with_one_entry() -> None:
    model = FakeChatModel()
    assert read_member("small", "openai:gpt-5").spec == "openai:gpt-5"
    assert read_member("small", model).spec is model
    assert read_member("small", {"model": model, "tools": True}).card.tools is True


@pytest.mark.parametrize(
    "setting",
    [{"temperature": 0.0}, {"base_url": "http://localhost/v1"}, {"api_key_env": "A_KEY"}],
)
def test_what_belongs_to_a_string_is_refused_beside_a_chat_model(setting: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(setting))}.*FakeChatModel already"):
        read_member("small", {"model": FakeChatModel(), **setting})


def test_keys_are_refused_at_any_depth() -> None:
    table = {"model": "openai:gpt-5", "model_kwargs": {"parts": [{"hf_token": "hf_0123"}]}}
    with pytest.raises(ConfigError, match=r"model_kwargs\.parts\.hf_token") as caught:
        read_member("small", table)
    assert "hf_0123" not in str(caught.value)


def test_options_are_plain_values() -> None:
    with pytest.raises(ConfigError, match=r"'small': http_client: .* not object"):
        read_member("small", {"model": "openai:gpt-5", "http_client": object()})
