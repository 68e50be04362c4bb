"""What tokens cost: by the user's own prices, else by a dated table of list prices."""

import re
import tomllib
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from fusion_agents.pool.member import PoolModel
from fusion_agents.types import Dollars, Usage

_DATE_OF_MODEL = re.compile(r"-(?:20\d\d-\d\d-\d\d|20\d{6})$")


class Prices(NamedTuple):
    """Dollars per million tokens."""

    input: Dollars
    output: Dollars
    cached_input: Dollars
    """Of input tokens that the provider reads from its cache."""
    as_of: date | None = None
    """When the table said so; none for what the user says."""


def prices_of(member: PoolModel) -> Prices | None:
    """The prices that a model's tokens are counted with; none if they are not known.

    What the user says stands. Otherwise a model that is asked at its provider's own address has
    the price of the table, whichever dated version of it is meant.

    >>> prices_of(PoolModel(name="small", spec="openai:gpt-5-mini-2025-08-07"))[:3]
    (0.25, 2.0, 0.025)
    >>> prices_of(PoolModel(name="local", spec="llama", base_url="http://127.0.0.1/v1")) is None
    True
    """
    read, write = member.card.input_price, member.card.output_price
    if read is not None and write is not None:
        cached = member.cached_input_price
        return Prices(read, write, read if cached is None else cached)
    if read is not None or write is not None:
        return None
    return _listed(member)


def dollars(member: PoolModel, usage: Usage) -> Dollars | None:
    """Price tokens; none if prices or tokens are not known.

    Output tokens include those of hidden reasoning, and input tokens those from the provider's
    cache, which have a price of their own.

    >>> from fusion_agents.types import ModelCard
    >>> card = ModelCard(model="small", input_price=1.0, output_price=10.0)
    >>> small = PoolModel(name="small", spec="openai:gpt-5-mini", card=card)
    >>> dollars(small, Usage(input_tokens=100_000, output_tokens=10_000))
    0.2
    """
    prices = prices_of(member)
    if prices is None or usage.input_tokens is None or usage.output_tokens is None:
        return None
    cached = min(usage.cached_tokens or 0, usage.input_tokens)
    fresh = usage.input_tokens - cached
    written = usage.output_tokens * prices.output
    return (fresh * prices.input + cached * prices.cached_input + written) / 1e6


def _listed(member: PoolModel) -> Prices | None:
    if not isinstance(member.spec, str) or member.base_url is not None:
        return None
    provider, colon, model = member.spec.partition(":")
    if not colon:
        provider, model = str(member.options.get("model_provider", "")), member.spec
    table = _table()
    listed = table.get(provider, {})
    price = listed.get(model) or listed.get(_DATE_OF_MODEL.sub("", model))
    return None if price is None else Prices(**price, as_of=table["as_of"])


@cache
def _table() -> dict[str, Any]:
    text = files("fusion_agents.pool").joinpath("price_table.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
