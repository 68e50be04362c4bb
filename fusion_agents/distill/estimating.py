"""What a distillation will take, said before any of it is spent."""

from fusion_agents.distill.nouns import Provider
from fusion_agents.types import Dollars, Noun, Seconds, Tokens


class DistillEstimate(Noun):
    """What training and comparing will take, as far as it can be told."""

    provider: Provider
    base: str
    n_examples: int
    tokens: Tokens
    """That are trained on, over all epochs; estimated."""
    device: str | None = None
    """What trains: `cpu`, or the name of a GPU; none where a provider does."""
    seconds: Seconds | None = None
    """Of training, by a few steps on this machine's processor; none elsewhere."""
    training_cost: Dollars | None = None
    """None if the price is not known; nothing is paid for on this machine."""
    calls: int
    """That comparing makes, of base and student together, at most."""
    calls_cost: Dollars | None = None
    """None if a price is not known."""

    @property
    def cost(self) -> Dollars | None:
        """Of all; none if a part is not known."""
        if self.training_cost is None or self.calls_cost is None:
            return None
        return self.training_cost + self.calls_cost

    @property
    def words(self) -> str:
        """The estimate in a sentence.

        >>> DistillEstimate(provider="local", base="llama", n_examples=500, tokens=90_000, calls=200,
        ...                 device="cpu", seconds=100.0, training_cost=0.0, calls_cost=0.0).words
        'train llama on 500 examples (about 90,000 tokens) on cpu, about 2 minutes, for $0.00; then ask 200 questions for $0.00'
        """  # noqa: E501
        at = f"on {self.device}" if self.provider == "local" else f"at {self.provider}"
        lasts = (
            "" if self.seconds is None else f", about {max(1, round(self.seconds / 60))} minutes"
        )
        return (
            f"train {self.base} on {self.n_examples:,} examples (about {self.tokens:,} tokens) {at}"
            f"{lasts}, for {_dollars(self.training_cost)}; then ask {self.calls:,} questions for "
            f"{_dollars(self.calls_cost)}"
        )


def _dollars(cost: Dollars | None) -> str:
    return "a price that is not known" if cost is None else f"${cost:,.2f}"
