"""A batch of verdicts, held back until its canaries are right."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Coroutine
from typing import Any, Literal, NamedTuple

from fusion_agents.judges.base import Verdict
from fusion_agents.judging.canaries import Canary
from fusion_agents.types import Judgement

SIZE = 100
"""Answers of a batch."""

ENOUGH_RIGHT = 0.9
"""Share of its canaries that a judge must get right."""
ENOUGH_OF_A_KIND = 0.75
"""The same of each kind of canary, where at least four were judged."""
_FEW = 4
_ENOUGH_JUDGED = 0.5
"""Share of its canaries that a judge must give a score."""
_LOOKS = (20, 40)
"""Canaries that are asked when the first ones of a batch speak against it, and then again."""
_HOPELESS = 0.8
"""Share of right ones below which the second look is the last."""

Finding = Literal["right", "wrong", "failing"]


class Checked(NamedTuple):
    """What a judge said of a canary; no score if it gave none."""

    canary: Canary
    score: float | None


def finding(checked: list[Checked]) -> Finding:
    """Whether a judge knows what is known.

    At least 90 % of the canaries that it gave a score must be right, and 75 % of each kind, and
    it must have given most of them one.

    >>> finding([])
    'failing'
    """
    kinds: defaultdict[str, list[bool]] = defaultdict(list)
    for canary, score in checked:
        if score is not None:
            kinds[canary.kind].append(canary.is_right(score))
    right = [one for kind in kinds.values() for one in kind]
    if not right or len(right) < _ENOUGH_JUDGED * len(checked):
        return "failing"
    weak = any(
        len(kind) >= _FEW and sum(kind) < ENOUGH_OF_A_KIND * len(kind) for kind in kinds.values()
    )
    return "wrong" if weak or sum(right) < ENOUGH_RIGHT * len(right) else "right"


def more_needed(checked: list[Checked], looks: int) -> int:
    """How many canaries more are to be asked before a batch is given up; 0 if it is decided.

    Ten canaries tell a bad judge from a bad day badly: without further looks, a judge that is
    right about 95 % of them would not get through ten batches.

    Args:
        checked: All canaries of the batch so far.
        looks: How often more were asked for already.
    """
    if finding(checked) != "wrong" or looks >= len(_LOOKS):
        return 0
    right = [one.canary.is_right(one.score) for one in checked if one.score is not None]
    if looks and sum(right) < _HOPELESS * len(right):
        return 0
    return _LOOKS[looks]


class Judged(NamedTuple):
    """A verdict, and how the log will keep it."""

    judgement: Judgement
    verdict: Verdict


class Batch:
    """Passes verdicts on, but not before it is known that they may be.

    Args:
        store: Stores a verdict.
        held: Whether judgements wait for `settle`.
    """

    def __init__(self, store: Callable[[Judged], Coroutine[Any, Any, None]], *, held: bool) -> None:
        self.decided = asyncio.Event()
        self._store = store
        self._waiting: list[Judged] = []
        self._passed = not held
        if not held:
            self.decided.set()

    async def add(self, judged: Judged) -> int:
        """Store a verdict, hold it back or drop it; gives the number of those dropped."""
        if not self.decided.is_set():
            self._waiting.append(judged)
            return 0
        if not self._passed:
            return 1
        await self._store(judged)
        return 0

    async def settle(self, *, passed: bool) -> int:
        """Store what was held back, or drop it; gives the number of those dropped."""
        if self.decided.is_set():
            return 0
        self._passed = passed
        self.decided.set()
        waiting, self._waiting = self._waiting, []
        if not passed:
            return len(waiting)
        await asyncio.gather(*map(self._store, waiting))
        return 0
