"""What tokens cost where the settings do not say it."""

from datetime import date
from typing import Any

import pytest

from fusion_agents.pool.pool import Pool
from fusion_agents.pool.prices import _table
from fusion_agents.types import Usage

USAGE = Usage(
    input_tokens=1_000_000, cached_tokens=400_000, output_tokens=100_000, reasoning_tokens=90_000
)


@pytest.mark.parametrize(
    "spec",
    [
        "openai:gpt-5-mini",
        "openai:gpt-5-mini-2025-08-07",
        {"model": "gpt-5-mini", "model_provider": "openai"},
    ],
)
def test_a_well_known_model_has_a_list_price_with_a_date(spec: Any) -> None:
    pool = Pool({"small": spec})
    prices = pool.prices("small")
    assert prices is not None
    assert isinstance(prices.as_of, date)
    assert pool.cost("small", USAGE) == pytest.approx(0.6 * 0.25 + 0.4 * 0.025 + 0.1 * 2.0)


@pytest.mark.parametrize(
    "spec",
    [
        "ollama:qwen3",
        "openai:a-model-of-tomorrow",
        {"model": "openai:gpt-5-mini", "base_url": "http://127.0.0.1:1/v1"},
        {"model": "openai:gpt-5-mini", "price": {"input": 1.0}},
    ],
)
def test_no_price_is_made_up(spec: Any) -> None:
    assert Pool({"small": spec}).cost("small", USAGE) is None


def test_what_the_user_says_stands_over_the_list() -> None:
    pool = Pool({"small": {"model": "openai:gpt-5-mini", "price": {"input": 0, "output": 0}}})
    assert pool.cost("small", USAGE) == 0.0


def test_cached_input_never_costs_more_than_other_input() -> None:
    tables = [table for table in _table().values() if isinstance(table, dict)]
    prices = [price for table in tables for price in table.values()]
    assert len(prices) > 10
    assert all(0 < p["cached_input"] <= p["input"] <= p["output"] for p in prices)
