from pathlib import Path

import pytest

from fusion_agents.errors import ConfigError
from fusion_agents.pool.models_file import read_models
from tests.pool.planted import KEY

WHOLE = """
[models.small]
model = "openai:gpt-5-mini"
price = { input = 0.25, output = 2, cached_input = 0.025 }
strategies = ["direct", "think"]
description = "cheap and quick"
context_window = 400000
tools = true
vision = false
structured_output = true
size = 8
temperature = 0.0
reasoning = { effort = "low" }
stop = ["END"]

[models."meta/llama 3"]
model = "llama-3.1-8b"
base_url = "http://127.0.0.1:8000/v1"
api_key_env = "LOCAL_KEY"
"""


def refused(tmp_path: Path, text: str) -> str:
    path = tmp_path / "models.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_models(path)
    assert str(path) in str(caught.value)
    assert KEY not in f"{caught.value!r}{caught.value.__context__!r}{caught.value.__cause__!r}"
    return str(caught.value)


def test_a_whole_table_is_read(tmp_path: Path) -> None:
    path = tmp_path / "models.toml"
    path.write_text(WHOLE)
    models = read_models(path)
    assert list(models) == ["small", "meta/llama 3"]
    small, local = models.values()
    assert small.spec == "openai:gpt-5-mini"
    assert small.strategies == ("direct", "think")
    assert small.cached_input_price == 0.025
    assert (small.card.input_price, small.card.output_price) == (0.25, 2.0)
    assert (small.card.tools, small.card.vision, small.card.structured_output) == (
        True,
        False,
        True,
    )
    assert (small.card.size, small.card.context_window) == (8.0, 400_000)
    assert small.options == {"temperature": 0.0, "reasoning": {"effort": "low"}, "stop": ["END"]}
    assert (local.base_url, local.api_key_env) == ("http://127.0.0.1:8000/v1", "LOCAL_KEY")
    assert local.origin == f'{path}: [models."meta/llama 3"]'


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("model = 3", "model"),
        ('model = ""', "model"),
        ('price = "cheap"', "price"),
        ("price = { input = -1 }", "price.input"),
        ("price = { inptu = 1 }", "price.inptu"),
        ("price = { input = nan }", "price.input"),
        ('strategies = "think"', "strategies"),
        ("strategies = []", "strategies"),
        ("strategies = [1]", "strategies"),
        ("context_window = 1.5", "context_window"),
        ("context_window = -1", "context_window"),
        ('tools = "yes"', "tools"),
        ("size = 0", "size"),
        ("base_url = 'ftp://example.org'", "base_url"),
        ("base_url = 'localhost:8000'", "base_url"),
        (f"base_url = 'https://me:{KEY}@example.org/v1'", "base_url"),
        (f"base_url = 'https://example.org/v1?key={KEY}'", "base_url"),
        ("stratgies = ['think']", "stratgies"),
        ("context_windows = 3", "context_windows"),
        ("since = 2025-01-01", "since"),
        ("max_retries = 3", "max_retries"),
        (f'api_key = "{KEY}"', "api_key"),
        (f'openai_api_key = "{KEY}"', "openai_api_key"),
        (f'token = "{KEY}"', "token"),
        (f'client_secret = "{KEY}"', "client_secret"),
        (f'default_headers = {{ Authorization = "Bearer {KEY}" }}', "default_headers.Author"),
        ('default_headers = { "Ocp-Apim-Subscription-Key" = "1" }', "default_headers.Ocp"),
        (f'default_headers = {{ X-Who = "{KEY}" }}', "default_headers.X-Who"),
        (f'stop = ["{KEY}"]', "stop: looks like a key"),
        (f"base_url = 'https://example.org/{KEY}/v1'", "base_url"),
        (f'description = "{KEY}"', "description"),
        (f'api_key_env = "{KEY}"', "api_key_env"),
        (f"{'a.' * 500}b = 1", "a: is nested more"),
        (f"stop = {'[' * 200}{']' * 200}", "stop: is nested more"),
        (f"seed = 0x{'f' * 5000}", "seed"),
        ("api_key_env = 3", "api_key_env"),
    ],
)
def test_a_wrong_value_is_refused_with_file_table_and_key(
    tmp_path: Path, line: str, key: str
) -> None:
    model = "" if line.startswith("model =") else 'model = "openai:gpt-5"\n'
    said = refused(tmp_path, f"[models.small]\n{model}{line}\n")
    assert f"[models.small]: {key}" in said


def test_a_table_without_a_model_is_refused(tmp_path: Path) -> None:
    assert "[models.small]: model: field required" in refused(tmp_path, "[models.small]\n")


def test_a_misspelt_key_is_corrected(tmp_path: Path) -> None:
    text = '[models.small]\nmodel = "openai:gpt-5"\nprices = { input = 1 }\n'
    assert "did you mean 'price'?" in refused(tmp_path, text)


@pytest.mark.parametrize(
    "text",
    ["", "[models]\n", "models = 3\n", "[small]\nmodel = 'x'\n", "[[models]]\nmodel = 'x'\n"],
)
def test_a_file_without_models_is_refused(tmp_path: Path, text: str) -> None:
    assert "[models.NAME]" in refused(tmp_path, text)


def test_a_table_that_comes_twice_is_refused(tmp_path: Path) -> None:
    text = "[models.small]\nmodel = 'a:b'\n[models.small]\nmodel = 'a:c'\n"
    assert "TOML" in refused(tmp_path, text)


def test_a_model_that_is_no_table_is_refused(tmp_path: Path) -> None:
    assert "[models.small]" in refused(tmp_path, "[models]\nsmall = 3\n")


def test_a_bad_name_is_refused(tmp_path: Path) -> None:
    assert "'a@b'" in refused(tmp_path, "[models.'a@b']\nmodel = 'openai:gpt-5'\n")


@pytest.mark.parametrize("value", ["[" * 5000 + "]" * 5000, "9" * 5000])
def test_what_the_parser_cannot_hold_is_refused(tmp_path: Path, value: str) -> None:
    said = refused(tmp_path, f"[models.small]\nmodel = 'openai:gpt-5'\nx = {value}\n")
    assert "cannot be read" in said


def test_what_is_not_toml_is_refused_with_the_line(tmp_path: Path) -> None:
    assert "line 1" in refused(tmp_path, "models = {\n")


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read .*none\.toml"):
        read_models(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b"# \xff\n")
    with pytest.raises(ConfigError, match="UTF-8"):
        read_models(tmp_path / "latin.toml")
