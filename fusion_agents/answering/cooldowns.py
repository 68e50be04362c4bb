"""Which models are left alone for a while because they keep failing."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import NamedTuple

from fusion_agents.answering.faults import PROVIDER_IS_DOWN, Fault

_LONG_STREAK = 10
_SHORT_STREAK = 3
_SHORT_STREAK_LASTS = 1.0


class Rest(NamedTuple):
    """How long a model is left alone, in seconds from now; 0 if it may be asked."""

    asked: float = 0.0
    """Because its provider said so: not to be asked before."""
    failing: float = 0.0
    """Because it keeps failing: to be asked only if there is nobody else."""
    refused: float = 0.0
    """Because its key was refused: not to be asked before, and not worth waiting for."""
    failures: int = 0
    """Of all queries in a row, up to now."""

    @property
    def seconds(self) -> float:
        """Until neither holds."""
        return max(self.asked, self.failing)

    @property
    def reason(self) -> str:
        """In words why it rests and how long; empty if it does not."""
        if not self.seconds:
            return ""
        if self.refused:
            why, seconds = "its key was refused", self.refused
        elif self.asked:
            why, seconds = "its provider asked for it", self.asked
        else:
            why, seconds = "it keeps failing", self.failing
        return f"rests {ceil(seconds)} s more since {why}"


@dataclass(slots=True)
class _Record:
    failures: int = 0
    first_failure: float = 0.0
    asked_until: float = 0.0
    failing_until: float = 0.0
    refused_until: float = 0.0


class Cooldowns:
    """What all queries together know about models that fail; safe to share between threads.

    A model rests when its provider asks for a longer wait than calls are willing to make, when it
    refuses the key, and when it fails again and again without a success in between: three times
    over at least a second, or ten times. When the rest is over one query tries it; the others
    go on without it until that query has an answer. A key counts as refused until a call says
    otherwise.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._records: dict[str, _Record] = {}

    def rest(self, model: str) -> Rest:
        """How long this model is left alone."""
        record = self._records.get(model)
        if record is None:
            return Rest()
        now = self._clock()
        return Rest(
            asked=max(0.0, record.asked_until - now),
            failing=max(0.0, record.failing_until - now),
            refused=max(0.0, record.refused_until - now),
            failures=record.failures,
        )

    def admit(self, model: str, seconds: float) -> bool:
        """Whether a query may ask this model now, if it has others to ask.

        The first query after a rest is the one that tries the model: for `seconds`, or until it
        reports, all others are told to leave it alone.
        """
        if model not in self._records:
            return True
        with self._lock:
            record = self._records.get(model)
            if record is None:
                return True
            now = self._clock()
            if now < max(record.asked_until, record.failing_until):
                return False
            if record.failing_until:
                record.failing_until = now + seconds
            if record.refused_until:
                record.refused_until = now + seconds
            return True

    def answered(self, model: str) -> None:
        """A call of this model went well."""
        if model not in self._records:
            return
        with self._lock:
            record = self._records.get(model)
            if record is not None and record.asked_until > self._clock():
                self._records[model] = _Record(asked_until=record.asked_until)
            else:
                self._records.pop(model, None)

    def failed(self, model: str, fault: Fault, *, seconds: float, patience: float) -> None:
        """A call of this model failed; if that makes it rest, it rests for so many seconds.

        A wait that its provider asks for is everybody's if it is longer than `patience` seconds;
        a shorter one concerns the call that was told.
        """
        if fault.kind not in PROVIDER_IS_DOWN:
            if fault.kind != "other":  # which may be raised before anything is sent
                self._took_the_key(model)
            return
        with self._lock:
            now = self._clock()
            record = self._records.setdefault(model, _Record())
            if not record.failures:
                record.first_failure = now
            record.failures += 1
            if fault.retry_after is not None and fault.retry_after > patience:
                record.asked_until = max(record.asked_until, now + fault.retry_after)
            if record.failing_until or not fault.retry or _keeps_failing(record, now):
                pause = seconds if fault.retry_after is None else fault.retry_after
                record.failing_until = max(record.failing_until, now + pause)
            record.refused_until = now + seconds if fault.kind == "auth" else 0.0

    def _took_the_key(self, model: str) -> None:
        if model not in self._records:
            return
        with self._lock:
            record = self._records.get(model)
            if record is not None:
                record.refused_until = 0.0


def _keeps_failing(record: _Record, now: float) -> bool:
    return record.failures >= _LONG_STREAK or (
        record.failures >= _SHORT_STREAK and now - record.first_failure >= _SHORT_STREAK_LASTS
    )
