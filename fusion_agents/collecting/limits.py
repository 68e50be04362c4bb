"""How many calls of one model are made at a time: as many as its provider takes."""

import time
from collections.abc import Callable
from math import inf

START = 40
"""Calls at a time once a model has answered; while it refuses none, twice as many each round."""

_GROWTH = 1.05
_CUT = 0.8
_QUIET = 1.0
_FEWEST = 10
_TOLERABLE = 0.005
_OVERLOAD = 0.5
_HELPED = 0.8
_PATIENCE = 60.0
_FAULTS = 5


class AdaptiveLimit:
    """The number of calls that may be under way, adapted to what comes back.

    It grows by 5 % each time that as many calls as it allows were answered without a refusal
    (status 429), and is cut to 80 % by an episode of refusals; what was refused while there were
    more calls under way than allowed belongs to the episode before. Near the number at which it
    was refused the last time it grows four times more slowly. Other faults keep it from growing;
    if nothing else comes back any more, one call at a time tries whether that is over. Where
    cutting twice does not make refusals rarer they have another cause than our load: then the
    limit is what it was before. Source: the rules of inspect_ai's adaptive connections.

    Args:
        most: Never more than this.
        first: As long as nothing was answered.
        clock: Gives seconds.
    """

    def __init__(
        self, most: int, first: int | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.in_flight = 0
        """Calls under way, with those that wait before they are repeated."""
        self._most = most
        self._clock = clock
        self._limit = float(min(most, START if first is None else first))
        self._proven = first is None
        self._before_outage: float | None = None
        self._faults = 0
        self._clean = 0
        self._was_refused = False
        self._ceiling = inf
        self._quiet_until = 0.0
        self._draining = False
        self._ended = self._refused = 0
        self._last_share: float | None = None
        self._vain_cuts = 0
        self._top = self._limit
        self._deaf_until = 0.0

    @property
    def limit(self) -> int:
        """Calls that may be under way now."""
        return max(1, int(self._limit))

    @property
    def is_free(self) -> bool:
        """Whether one more may begin."""
        return self.in_flight < self.limit

    @property
    def is_down(self) -> bool:
        """Whether nothing but faults came back of late."""
        return self._before_outage is not None

    def begin(self) -> None:
        """A call is under way."""
        self.in_flight += 1

    def end(self) -> None:
        """A call is over, however it ended."""
        self.in_flight -= 1
        if self._draining and self.in_flight <= self.limit:
            self._draining = False
            self._ended = self._refused = 0

    def answered(self) -> None:
        """A request was answered."""
        self._faults = 0
        self._ended += 1
        if self._before_outage is not None:
            self._set(min(self._before_outage, START))
            self._before_outage = None
        elif not self._proven:
            self._set(min(self._most, START))
        self._proven = True
        self._clean += 1
        if self._clean >= self.limit * self._rounds_to_grow():
            self._grow()

    def faltered(self) -> None:
        """A request failed, but not because there were too many."""
        self._clean = 0
        self._faults += 1
        if self._before_outage is None and self._faults >= max(_FAULTS, self.in_flight):
            self._before_outage = self._limit
            self._set(1.0)

    def refused(self, retry_after: float = 0.0) -> None:
        """A request was refused because there were too many; `retry_after` as the provider said."""
        self._faults = 0
        self._was_refused = True
        self._ended += 1
        self._refused += 1
        now = self._clock()
        if now < self._deaf_until:
            return
        self._clean = 0
        if self._draining or now < self._quiet_until or self._ended < self._evidence():
            return
        share = self._refused / self._ended
        if share > _TOLERABLE:
            self._cut(share, now, retry_after)

    def _evidence(self) -> int:
        """How many requests must have come back for the share of refusals to be judged."""
        return _FEWEST if self._last_share is None else max(_FEWEST, min(2 * self.limit, 100))

    def _cut(self, share: float, now: float, retry_after: float) -> None:
        last = self._last_share
        if last is None:
            self._top = self._limit
        in_vain = last is not None and share < _OVERLOAD and share > _HELPED * last
        self._vain_cuts = self._vain_cuts + 1 if in_vain else 0
        if self._vain_cuts >= 2:
            self._deaf_until = now + _PATIENCE
            self._last_share, self._vain_cuts, self._ceiling = None, 0, inf
            self._set(self._top)
            return
        self._last_share = share
        self._ceiling = self._limit
        self._set(max(1.0, self._limit * _CUT))
        self._quiet_until = now + _QUIET + retry_after
        self._draining = self.in_flight > self.limit

    def _rounds_to_grow(self) -> int:
        return 4 if 0.9 * self._ceiling <= self._limit * _GROWTH < 1.1 * self._ceiling else 1

    def _grow(self) -> None:
        self._last_share, self._vain_cuts = None, 0
        factor = _GROWTH if self._was_refused else 2.0
        self._set(min(float(self._most), self._limit * factor))

    def _set(self, limit: float) -> None:
        self._limit = limit
        self._clean = 0
        self._ended = self._refused = 0
