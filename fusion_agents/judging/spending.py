"""What judging may cost: verdicts are asked for as long as the cap leaves room for one more."""

from fusion_agents.errors import ConfigError
from fusion_agents.types import Dollars

_UNKNOWN = 2
"""Verdicts at a time, under a cap, as long as it is not known what one costs."""
_ENOUGH = 5
_ROUNDING = 1 + 1e-9


class Spending:
    """Keeps a run within its cap.

    Each verdict is expected to cost as much as the dearest one so far, so the cap is hardly ever
    exceeded; the first ones are asked for two at a time.

    Args:
        cap: Dollars; none for no cap.

    Attributes:
        spent: Dollars; what was spent before the run may be added to it.
    """

    def __init__(self, cap: Dollars | None) -> None:
        self.cap = cap
        self.spent = 0.0
        self._dearest = 0.0
        self._known = 0

    def allows(self, in_flight: int) -> bool:
        """Whether one more may be asked for while so many are under way."""
        if self.cap is None:
            return True
        if self._known < _ENOUGH and in_flight >= _UNKNOWN:
            return False
        expected = self.spent + (in_flight + 1) * self._dearest
        return self.spent < self.cap and expected <= self.cap * _ROUNDING

    def settle(self, cost: Dollars | None, *, scored: bool) -> None:
        """A verdict has come.

        Raises:
            ConfigError: If there is a cap and a score came whose cost is not known.
        """
        if cost is None:
            if scored and self.cap is not None:
                raise ConfigError(
                    "a budget needs the price of the judge's model, which is not known: give it a "
                    "price = { input = ..., output = ... } in dollars per million tokens"
                )
            return
        self.spent += cost
        self._known += 1
        self._dearest = max(self._dearest, cost)
