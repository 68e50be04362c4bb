"""One model's calls: what is planned next, how many may be under way, whether it is given up."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from fusion_agents.answering.cooldowns import Cooldowns
from fusion_agents.answering.faults import PROVIDER_IS_DOWN, Fault
from fusion_agents.collecting.limits import AdaptiveLimit
from fusion_agents.collecting.planning import CHUNK, Chunk, PlannedCall

_HOPELESS = 3
"""Rounds without an answer after which a model is given up.

Before the first answer, one is enough, if all its calls have failed.
"""


@dataclass(kw_only=True)
class Lane:
    """The calls of one model, so that no model waits for another."""

    model: str
    limit: AdaptiveLimit
    chunks: Iterator[Chunk]
    ready: deque[PlannedCall] = field(default_factory=deque)
    exhausted: bool = False
    """Whether all is planned."""
    given_up: str | None = None
    planning: asyncio.Task[None] | None = None
    _open: set[str] = field(default_factory=set)
    _failed: set[str] = field(default_factory=set)
    _begun: int = 0
    _round_ends: int = 0
    _rounds: int = 0
    _first_burst: int = 0
    """Calls that had begun when the first one failed, as long as none was answered."""
    _failures: int = 0
    _has_answered: bool = False

    @property
    def wants_more(self) -> bool:
        """Whether more should be planned now."""
        idle = self.planning is None and not self.exhausted and self.given_up is None
        return idle and len(self.ready) < max(CHUNK // 2, 2 * self.limit.limit)

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to begin."""
        return self.given_up is not None or (self.exhausted and not self.ready)

    async def plan(self, count: Callable[[Chunk], None]) -> None:
        """Plan a chunk; `count` is told of it.

        A call that is under way already, or failed in this run, is not planned again: what is in
        neither set was in the ledger before it was looked up there.
        """
        met = self._open | self._failed
        chunk = await asyncio.to_thread(next, self.chunks, None)
        if chunk is None:
            self.exhausted = True
            return
        fresh = [call for call in chunk.calls if call.key not in met]
        self.ready.extend(fresh)
        self._open.update(call.key for call in fresh)
        count(chunk._replace(repeated=chunk.repeated + len(chunk.calls) - len(fresh)))

    def take(self) -> tuple[PlannedCall, int]:
        """Begin the next call; gives it with its number."""
        self.limit.begin()
        self._begun += 1
        return self.ready.popleft(), self._begun

    def put_back(self, call: PlannedCall) -> None:
        """A call was not made after all."""
        self.ready.appendleft(call)

    def close(self, call: PlannedCall, *, failed: bool = False) -> None:
        """What came of a call is in the ledger."""
        self._open.discard(call.key)
        if failed:
            self._failed.add(call.key)

    def hope(self) -> None:
        """A call was answered."""
        self._rounds = 0
        self._has_answered = True

    def despair(self, kind: str, number: int, reason: str) -> None:
        """A call failed for good: give the model up if that is what all do.

        Those that were under way together count once.
        """
        if kind not in PROVIDER_IS_DOWN:
            self._rounds = 0
            return
        self._failures += 1
        self._first_burst = self._first_burst or max(2, self._begun)
        if number > self._round_ends:
            self._rounds += 1
            self._round_ends = self._begun
        never = not self._has_answered and self._failures >= self._first_burst
        if kind == "auth" or never or self._rounds >= _HOPELESS:
            self.given_up = self.given_up or reason


class LaneCooldowns(Cooldowns):
    """Cooldowns that tell each model's limit how its requests end.

    Args:
        lanes: By model.
    """

    def __init__(self, lanes: Sequence[Lane]) -> None:
        super().__init__()
        self._lanes = {lane.model: lane for lane in lanes}

    def answered(self, model: str) -> None:
        """A request of this model went well."""
        super().answered(model)
        self._lanes[model].hope()
        self._lanes[model].limit.answered()

    def failed(self, model: str, fault: Fault, *, seconds: float, patience: float) -> None:
        """A request of this model failed."""
        super().failed(model, fault, seconds=seconds, patience=patience)
        limit = self._lanes[model].limit
        if fault.kind == "rate_limit":
            limit.refused(fault.retry_after or 0.0)
        elif fault.kind in PROVIDER_IS_DOWN:
            limit.faltered()
        else:
            limit.answered()  # the provider is up and said no to this query only
