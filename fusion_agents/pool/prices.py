"""What tokens cost."""

from fusion_agents.pool.member import PoolModel
from fusion_agents.types import Usage


def dollars(member: PoolModel, usage: Usage) -> float | None:
    """Price tokens by the model's settings; none if prices or tokens are not known.

    >>> from fusion_agents.types import ModelCard
    >>> card = ModelCard(model="small", input_price=1.0, output_price=10.0)
    >>> small = PoolModel(name="small", spec="openai:gpt-5-mini", card=card)
    >>> dollars(small, Usage(input_tokens=100_000, output_tokens=10_000))
    0.2
    """
    read, write = member.card.input_price, member.card.output_price
    if read is None or write is None:
        return None
    if usage.input_tokens is None or usage.output_tokens is None:
        return None
    cached = min(usage.cached_tokens or 0, usage.input_tokens)
    cached_price = read if member.cached_input_price is None else member.cached_input_price
    fresh = usage.input_tokens - cached
    return (fresh * read + cached * cached_price + usage.output_tokens * write) / 1e6
