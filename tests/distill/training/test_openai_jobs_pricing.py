"""What a fine-tuning job costs, before and after, and what is not known."""

import json
from datetime import date
from pathlib import Path

import pytest

from fusion_agents.distill.training.job_pricing import (
    Estimate,
    estimate_of,
    estimate_openai,
    training_price,
)
from fusion_agents.distill.training.openai_options import OpenAIJobOptions
from fusion_agents.errors import ConfigError, DataError
from tests.distill.training.openai_world import make_data


def content(*texts: str) -> bytes:
    rows = [{"messages": [{"role": "user", "content": text}]} for text in texts]
    return "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows).encode()


def test_an_estimate_multiplies_tokens_epochs_and_the_price() -> None:
    found = estimate_of(content("a" * 400, "b" * 400), "gpt-4.1-mini", OpenAIJobOptions(epochs=5))
    assert found.tokens == 2 * (100 + 4)
    assert found.cost == pytest.approx(208 * 5 * 5.0 / 1e6)
    assert found.as_of is not None


def test_other_scripts_count_by_their_bytes() -> None:
    latin = estimate_of(content("a" * 90), "x", OpenAIJobOptions())
    greek = estimate_of(content("α" * 90), "x", OpenAIJobOptions())
    assert greek.tokens > 1.5 * latin.tokens


@pytest.mark.parametrize(
    ("model", "same_as"),
    [
        ("gpt-4o-2024-08-06", "gpt-4o"),
        ("gpt-4.1-mini-2025-04-14", "gpt-4.1-mini"),
        ("ft:gpt-4o-mini-2024-07-18:org:x:1", "gpt-4o-mini"),
    ],
)
def test_versions_and_tuned_models_have_the_price_of_their_model(model: str, same_as: str) -> None:
    assert training_price(model) == training_price(same_as) is not None


@pytest.mark.parametrize("model", ["gpt-4o-audio-preview", "gpt-4", "llama-3", "ft:", ""])
def test_no_price_is_made_up(model: str) -> None:
    assert training_price(model) is None
    found = estimate_of(content("a"), model, OpenAIJobOptions())
    assert found.cost is None
    assert "is not known" in found.words


def test_another_server_has_no_known_price() -> None:
    assert training_price("gpt-4o", "https://api.openai.com/v1/") is not None
    assert training_price("gpt-4o", "https://api.example.com/v1") is None
    assert training_price("gpt-4o", "https://api.openai.com.example.com/v1") is None


def test_the_words_say_how_old_the_price_is() -> None:
    found = Estimate(
        base="m", n_examples=1, tokens=1000, epochs=3, price=9.0, cost=0.027, as_of=date(2026, 1, 2)
    )
    assert found.words == (
        "about 3,000 tokens (3 x 1,000), about $0.03 at $9 per million, "
        "list price read on 2026-01-02"
    )
    assert "less than $0.01" in found.model_copy(update={"cost": 0.004}).words


def test_the_server_of_the_environment_has_no_known_price(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = make_data(tmp_path / "data")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    assert estimate_openai(data, "gpt-4o-mini").cost is not None
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:8000/v1")
    assert estimate_openai(data, "gpt-4o-mini").cost is None


def test_a_folder_is_estimated_without_a_key_or_a_request(tmp_path: Path) -> None:
    found = estimate_openai(make_data(tmp_path / "data"), "gpt-4o-mini")
    assert found.n_examples == 12
    assert found.tokens == pytest.approx(12 * 15, rel=0.2)
    with pytest.raises((ConfigError, DataError)):
        estimate_openai(make_data(tmp_path / "few", 3), "gpt-4o-mini")
