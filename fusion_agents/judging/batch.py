"""A batch of verdicts, held back until its canaries are right."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Literal, NamedTuple

from fusion_agents.judges.base import Verdict
from fusion_agents.judging.canaries import Canary
from fusion_agents.types import Judgement

SIZE = 100
"""Answers of a batch."""

ENOUGH_RIGHT = 0.9
"""Share of its canaries that a judge must get right."""
_ENOUGH_JUDGED = 0.5
"""Share of its canaries that a judge must give a score."""

Finding = Literal["right", "wrong", "failing"]


class Checked(NamedTuple):
    """What a judge said of a canary; no score if it gave none."""

    canary: Canary
    score: float | None


def finding(checked: list[Checked]) -> Finding:
    """Whether a judge knows what is known.

    At least 90 % of the canaries that it gave a score must be right, and it must have given most
    of them one.

    >>> finding([])
    'failing'
    """
    scored = [one for one in checked if one.score is not None]
    if not scored or len(scored) < _ENOUGH_JUDGED * len(checked):
        return "failing"
    right = sum(one.canary.is_right(one.score) for one in scored if one.score is not None)
    return "right" if right >= ENOUGH_RIGHT * len(scored) else "wrong"


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
