"""What to do next to have a query answered: ask an arm, wait, or give up.

This is all there is of retries, fallbacks and deadlines, and it does neither input nor output:
synchronous, asynchronous and streaming callers do what it says and tell it what happened.
"""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf
from typing import NamedTuple

from fusion_agents.answering.cooldowns import Cooldowns
from fusion_agents.answering.faults import PROVIDER_IS_DOWN, Fault
from fusion_agents.answering.policy import AnswerPolicy
from fusion_agents.types import Arm, Attempt, Dollars, Usage

SENSIBLE_WAIT = 30.0
"""A provider that asks for more seconds than this is left if there is another arm."""


class Ask(NamedTuple):
    """Ask this arm now."""

    arm: Arm
    number: int
    """Of the attempt, counted from 1."""
    timeout: float
    """Seconds that it may take."""


class Wait(NamedTuple):
    """Do nothing for so many seconds."""

    seconds: float


class Plan:
    """One query's way to an answer.

    An arm is asked up to `attempts_per_arm` times in a row, or until its model has also failed too
    many other queries; then the next one that need not be waited for. After the last one the first
    one has its turn again, as long as there are attempts and time. An arm whose fault does not
    pass (a filter, a wrong key) has no more turns, and a model whose key other queries found to be
    refused is not waited for.
    """

    def __init__(
        self,
        arms: tuple[Arm, ...],
        policy: AnswerPolicy,
        cooldowns: Cooldowns,
        *,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.attempts: list[Attempt] = []
        self._policy = policy
        self._cooldowns = cooldowns
        self._clock = clock
        self._jitter = jitter
        self._start = clock()
        self._deadline = self._start + policy.deadline
        self._arms = list(arms)
        self._turn = -1
        self._in_row = 0
        self._asked: Ask | None = None
        self._asked_at = 0.0
        self._idle_since: float | None = None
        self._waited = 0.0
        self._not_before: dict[str, float] = {}
        self._failures: Counter[str] = Counter()

    @property
    def left(self) -> float:
        """Seconds until the deadline."""
        return self._deadline - self._clock()

    @property
    def seconds(self) -> float:
        """Seconds since the query came."""
        return self._clock() - self._start

    def patience(self, begun: bool) -> float:
        """Seconds to wait for the next piece of a stream.

        All before the first piece is one attempt's time; then each piece has as much.
        """
        limit = self._policy.attempt_timeout or inf
        spent = 0.0 if begun else self._clock() - self._asked_at
        return max(0.0, min(limit - spent, self.left))

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Do not count the time in which the caller is busy with what it was given."""
        start = self._clock()
        try:
            yield
        finally:
            seconds = self._clock() - start
            self._deadline += seconds
            self._start += seconds
            self._asked_at += seconds

    def step(self) -> Ask | Wait | None:
        """What to do now; none if there is nothing left to try."""
        now = self._clock()
        if len(self.attempts) >= self._policy.max_attempts or not self._arms:
            return None
        turn, ready = self._choose(now)
        if max(now, ready) >= self._deadline:
            return None
        if ready > now:
            self._idle_since = now if self._idle_since is None else self._idle_since
            return Wait(ready - now)
        return self._ask(turn, now)

    def resting(self, arm: Arm) -> str:
        """Why an arm is left alone and how long, in words; empty if it is not."""
        return self._cooldowns.rest(arm.model).reason

    def answered(self, usage: Usage, cost: Dollars | None) -> None:
        """The arm that was asked gave an answer."""
        arm = self._record(None, usage, cost).arm
        self._cooldowns.answered(arm.model)

    def failed(self, fault: Fault, usage: Usage, cost: Dollars | None) -> None:
        """The arm that was asked gave none; the fault's reason is free of secrets."""
        ask = self._record(fault, usage, cost)
        model = ask.arm.model
        if fault.kind != "timeout" or 2 * ask.timeout >= self._full_timeout:
            policy = self._policy
            self._cooldowns.failed(
                model, fault, seconds=policy.cooldown, patience=policy.max_backoff
            )
        if not fault.retry:
            self._drop(ask.arm, fault)
            return
        self._failures[model] += 1
        self._not_before[model] = self._clock() + self._pause(model, fault)

    @property
    def _full_timeout(self) -> float:
        return min(self._policy.attempt_timeout or inf, self._policy.deadline)

    def _choose(self, now: float) -> tuple[int, float]:
        """Position of the arm whose turn it is, and when it may be asked."""
        if 0 < self._in_row < self._policy.attempts_per_arm and not self._others_gave_up():
            return self._turn, self._ready(self._turn, now)
        n = len(self._arms)
        turns = [(self._turn + 1 + i) % n for i in range(n)]
        for turn in turns:
            if self._is_free(self._arms[turn].model, now):
                return turn, now
        ready = {turn: self._ready(turn, now) for turn in turns}
        soonest = min(turns, key=ready.__getitem__)
        return soonest, ready[soonest]

    def _others_gave_up(self) -> bool:
        """Whether the model whose turn it is rests because it failed other queries."""
        model = self._arms[self._turn].model
        rest = self._cooldowns.rest(model)
        also_failed = rest.failing > 0 and rest.failures > self._failures[model]
        return also_failed or rest.refused > 0

    def _is_free(self, model: str, now: float) -> bool:
        if model in self._not_before:
            rest = self._cooldowns.rest(model)
            return self._not_before[model] <= now and not (rest.asked or rest.refused)
        return self._cooldowns.admit(model, self._policy.cooldown)

    def _ready(self, turn: int, now: float) -> float:
        """When an arm may be asked if there is none that is free.

        Then one that merely keeps failing is waited for no longer than for a call's repetition,
        and one whose key was refused not at all.
        """
        model = self._arms[turn].model
        rest = self._cooldowns.rest(model)
        if rest.refused:
            return inf
        ready = max(self._not_before.get(model, now), now + rest.asked)
        if model in self._not_before:
            return ready
        return max(ready, min(now + rest.failing, self._start + self._policy.max_backoff))

    def _ask(self, turn: int, now: float) -> Ask:
        self._in_row = self._in_row + 1 if turn == self._turn else 1
        self._turn = turn
        self._waited = 0.0 if self._idle_since is None else now - self._idle_since
        self._idle_since = None
        self._asked_at = now
        timeout = min(self._policy.attempt_timeout or inf, self._deadline - now)
        self._asked = Ask(self._arms[turn], len(self.attempts) + 1, timeout)
        return self._asked

    def _record(self, fault: Fault | None, usage: Usage, cost: Dollars | None) -> Ask:
        ask = self._asked
        assert ask is not None, "nothing was asked"
        self._asked = None
        self.attempts.append(
            Attempt(
                arm=ask.arm,
                error=fault.kind if fault else None,
                reason=fault.reason if fault else None,
                seconds=max(0.0, self._clock() - self._asked_at),
                waited=self._waited,
                usage=usage,
                cost=cost,
            )
        )
        return ask

    def _pause(self, model: str, fault: Fault) -> float:
        """Seconds until this model may be asked again."""
        doubled = self._policy.first_backoff * 2.0 ** min(self._failures[model] - 1, 60)
        backoff = min(self._policy.max_backoff, doubled) * (1 - self._jitter() / 4)
        if fault.retry_after is None or (not fault.retry_after and self._failures[model] > 2):
            return backoff
        others = any(arm.model != model for arm in self._arms)
        if fault.retry_after > min(self.left, SENSIBLE_WAIT if others else inf):
            self._in_row = self._policy.attempts_per_arm
        return fault.retry_after

    def _drop(self, arm: Arm, fault: Fault) -> None:
        """Ask an arm no more; nor any other of its model, if that is what failed."""
        model = arm.model if fault.kind in PROVIDER_IS_DOWN else None
        keep = [a != arm and a.model != model for a in self._arms]
        before = sum(keep[: self._turn + 1])
        self._arms = [a for a, kept in zip(self._arms, keep, strict=True) if kept]
        self._turn, self._in_row = before - 1, 0
