"""What calls may cost, before they are made."""

from collections.abc import Mapping

from fusion_agents.collecting.planning import PlannedCall
from fusion_agents.errors import ConfigError
from fusion_agents.pool.pool import Pool
from fusion_agents.types import Arm, Dollars, LogEntry, Usage

ANSWER_TOKENS = 500
"""Output tokens of an answer, as long as an arm has given none."""

_LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens", "num_predict")
_ENOUGH = 5


class Forecast:
    """Expects a call to be as long as the longest of the arm's earlier answers.

    Most are shorter: what is kept free for them is free again when they have come, so a cap is
    used up all the same, and hardly exceeded.

    Args:
        pool: Has the prices.
        known: Output tokens of each arm's longest answer, and how many answers there are.
    """

    def __init__(self, pool: Pool, known: Mapping[Arm, tuple[int, int]] | None = None) -> None:
        self._pool = pool
        self._longest = dict(known or {})

    def learn(self, entry: LogEntry) -> None:
        """Take an answer into account."""
        tokens = entry.usage.output_tokens
        if tokens is not None and entry.error is None:
            longest, count = self._longest.get(entry.arm, (0, 0))
            self._longest[entry.arm] = (max(longest, tokens), count + 1)

    def knows(self, arm: Arm) -> bool:
        """Whether the arm has given enough answers to expect the next one by."""
        return self._longest.get(arm, (0, 0))[1] >= _ENOUGH

    def tokens(self, arm: Arm) -> int:
        """Output tokens of an answer."""
        longest, _ = self._longest.get(arm, (0, 0))
        if self.knows(arm):
            return longest
        given = map(self._pool.models[arm.model].options.get, _LIMITS)
        limits = [limit for limit in given if isinstance(limit, int)]
        return max(longest, min([ANSWER_TOKENS, *limits]))

    def dollars(self, call: PlannedCall) -> Dollars:
        """What a call may cost; 0 where prices are not known."""
        usage = Usage(input_tokens=call.prompt_tokens, output_tokens=self.tokens(call.arm))
        return self._pool.cost(call.arm.model, usage) or 0.0


class Budget:
    """Lets calls begin as long as what was spent and what is expected stays within the cap.

    Args:
        cap: Dollars; none for no cap.
        spent: Dollars of earlier runs.
    """

    def __init__(self, cap: Dollars | None, spent: Dollars = 0.0) -> None:
        self.cap = cap
        self._spent = spent
        self._reserved = 0.0

    def allows(self, expected: Dollars) -> bool:
        """Whether a call of that cost may begin now."""
        return self.cap is None or self._spent + self._reserved + expected <= self.cap

    def reserve(self, expected: Dollars) -> None:
        """A call begins."""
        self._reserved += expected

    def settle(self, expected: Dollars, cost: Dollars) -> None:
        """A call has ended."""
        self._reserved -= expected
        self._spent += cost


def check_numbers(concurrency: int, samples: int, budget: Dollars | None) -> None:
    """Refuse numbers with which nothing would ever be asked.

    Raises:
        ConfigError: If one of them is too small, or the budget is no number.
    """
    if concurrency < 1:
        raise ConfigError(f"concurrency must be at least 1, not {concurrency}")
    if samples < 1:
        raise ConfigError(f"samples must be at least 1, not {samples}")
    if budget is not None and not budget >= 0:
        raise ConfigError(f"a budget must be a number of dollars, not {budget}")


def check_prices(pool: Pool, models: set[str]) -> None:
    """Refuse a budget that could not be kept.

    Raises:
        ConfigError: If the prices of a model are not known; names them all.
    """
    unknown = [name for name in pool.models if name in models and pool.prices(name) is None]
    if unknown:
        raise ConfigError(
            f"a budget needs the prices of all models; not known: {', '.join(unknown)}: give them "
            "a price = { input = ..., output = ... } in dollars per million tokens"
        )
