"""What a fine-tuning job costs: estimated before, counted after, unknown where it is unknown."""

import json
import os
import re
import tomllib
from datetime import date
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from fusion_agents.distill.data.dataset import read_dataset, render
from fusion_agents.distill.training.openai_options import OpenAIJobOptions
from fusion_agents.types import Dollars, Noun, Tokens

FORMAT = "openai-chat"
_DATE_OF_MODEL = re.compile(r"-20\d\d-\d\d-\d\d$")
_TUNED = re.compile(r"^ft:([^:]+):")
_BYTES_PER_TOKEN = 4
_PER_MESSAGE = 4
_OPENAI = "api.openai.com"
_CENT = 0.01


class TrainingPrice(NamedTuple):
    """What training costs by a provider's list."""

    dollars: Dollars
    """Per million tokens that are trained on."""
    as_of: date


class Estimate(Noun):
    """What a fine-tuning job would cost."""

    base: str
    n_examples: int
    tokens: Tokens
    """Of the file, roughly: four bytes each, and four tokens for each message."""
    epochs: int
    price: Dollars | None = None
    """Per million tokens that are trained on; none if it is not known."""
    as_of: date | None = None
    """When the price was read."""
    cost: Dollars | None = None
    """None if the price is not known."""

    @property
    def words(self) -> str:
        """The estimate in words.

        >>> Estimate(base="gpt-4.1-mini", n_examples=50, tokens=9_000, epochs=3).words
        'about 27,000 tokens (3 x 9,000); the price of training gpt-4.1-mini is not known'
        """
        trained = self.tokens * self.epochs
        said = f"about {trained:,} tokens ({self.epochs} x {self.tokens:,})"
        if self.cost is None:
            return f"{said}; the price of training {self.base} is not known"
        price = f"${self.price:g} per million, list price read on {self.as_of}"
        cost = f"about ${self.cost:,.2f}" if self.cost >= _CENT else "less than $0.01"
        return f"{said}, {cost} at {price}"


def training_price(base: str, server: str | None = None) -> TrainingPrice | None:
    """The price of training a model at OpenAI; none where it is not known, as at other servers.

    A dated version has the price of its model, and so has a model that was fine-tuned of it.

    >>> training_price("gpt-4o-mini-2024-07-18").dollars
    3.0
    >>> training_price("gpt-4o-mini", "http://127.0.0.1:8000/v1") is None
    True
    """
    if server is not None and urlsplit(server).hostname != _OPENAI:
        return None
    tuned = _TUNED.match(base)
    model = tuned[1] if tuned else base
    table = _table()
    listed = table["openai"]
    price = listed.get(model) or listed.get(_DATE_OF_MODEL.sub("", model))
    return None if price is None else TrainingPrice(price, table["as_of"])


def estimate_openai(
    data: Path,
    base: str,
    options: OpenAIJobOptions = OpenAIJobOptions(),  # noqa: B008 - frozen
) -> Estimate:
    """Estimate what a fine-tuning job would cost; nothing is sent.

    Args:
        data: Folder of training data.
        base: The provider's model.
        options: Of the job; a `base_url`, as `OPENAI_BASE_URL`, has no known prices.

    Raises:
        DataError: If the data cannot be read.
        ConfigError: If the provider would turn them down.
    """
    dataset = read_dataset(data)
    content = b"".join(render(dataset, FORMAT, base=base).values())
    return estimate_of(content, base, options, os.environ.get("OPENAI_BASE_URL"))


def estimate_of(
    content: bytes, base: str, options: OpenAIJobOptions, server: str | None = None
) -> Estimate:
    """Estimate by the content of the file that would be uploaded."""
    rows = [json.loads(line) for line in content.split(b"\n") if line]
    messages = [message for row in rows for message in row["messages"]]
    n_bytes = sum(len(str(message["content"]).encode()) for message in messages)
    tokens = -(-n_bytes // _BYTES_PER_TOKEN) + _PER_MESSAGE * len(messages)
    price = training_price(base, options.base_url or server)
    found = Estimate(base=base, n_examples=len(rows), tokens=tokens, epochs=options.epochs)
    if price is None:
        return found
    cost = tokens * options.epochs * price.dollars / 1e6
    return found.model_copy(update={"price": price.dollars, "as_of": price.as_of, "cost": cost})


@cache
def _table() -> dict[str, Any]:
    at = files("fusion_agents.distill.training").joinpath("training_prices.toml")
    return tomllib.loads(at.read_text(encoding="utf-8"))
