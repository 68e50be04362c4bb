"""A limit finds what a provider takes, in a simulation of providers; no time passes."""

import heapq
import random
from collections.abc import Iterator

import pytest

from fusion_agents.collecting.limits import START, AdaptiveLimit


class Provider:
    """Answers after `latency` seconds and refuses what is more than it serves at a time."""

    def __init__(
        self, serves: int, *, most: int = 40, latency: float = 0.5, refuses: float = 0.0
    ) -> None:
        self.now = 0.0
        self.answers: list[float] = []
        self.refusals: list[float] = []
        self.limit = AdaptiveLimit(most, clock=lambda: self.now)
        self._serves, self._latency, self._refuses = serves, latency, refuses
        self._draw = random.Random(0)
        self._serving = 0
        self._number = 0
        self._events: list[tuple[float, int, str, int]] = []

    def run(self, until: float) -> Iterator[int]:
        """The limit after each event."""
        while self.now < until:
            while self.limit.is_free:
                self.limit.begin()
                self._ask(0)
            self.now, _, what, attempt = heapq.heappop(self._events)
            if what == "answer":
                self._serving -= 1
                self.answers.append(self.now)
                self.limit.answered()
                self.limit.end()
            elif what == "refusal":
                self.refusals.append(self.now)
                self.limit.refused()
                pause = min(8, 0.5 * 2**attempt) * self._draw.uniform(0.75, 1)
                self._later(pause, "again", attempt + 1)
            else:
                self._ask(attempt)
            yield self.limit.limit

    def _ask(self, attempt: int) -> None:
        if self._serving >= self._serves or self._draw.random() < self._refuses:
            self._later(0.005, "refusal", attempt)
        else:
            self._serving += 1
            self._later(self._latency * self._draw.uniform(0.8, 1.2), "answer", attempt)

    def _later(self, seconds: float, what: str, attempt: int) -> None:
        self._number += 1
        heapq.heappush(self._events, (self.now + seconds, self._number, what, attempt))


@pytest.mark.parametrize("most", [40, 200])
def test_a_provider_that_serves_17_is_asked_for_about_17(most: int) -> None:
    provider = Provider(17, most=most)
    list(provider.run(60))
    late = list(provider.run(240))
    assert 13 <= min(late) <= max(late) <= 20
    refused = sum(at > 60 for at in provider.refusals)
    answered = sum(at > 60 for at in provider.answers)
    assert refused < 0.05 * answered
    assert answered > 0.85 * 180 * 17 / 0.5


def test_a_provider_that_refuses_nothing_gets_all() -> None:
    provider = Provider(10_000, most=400)
    assert list(provider.run(10))[-1] == 400


def test_refusals_that_are_not_our_doing_do_not_slow_us_down() -> None:
    provider = Provider(10_000, refuses=0.3)
    list(provider.run(20))
    late = list(provider.run(80))
    assert sum(late) / len(late) > 30


def limited(most: int = 40) -> AdaptiveLimit:
    return AdaptiveLimit(most, clock=lambda: 0.0)


def test_nothing_but_faults_leaves_one_call_to_try_and_an_answer_ends_that() -> None:
    limit = limited()
    for _ in range(5):
        limit.faltered()
    assert (limit.limit, limit.is_down) == (1, True)
    limit.answered()
    assert (limit.limit, limit.is_down) == (START, False)


def test_a_model_that_has_not_answered_gets_few_calls() -> None:
    limit = AdaptiveLimit(40, 2)
    assert limit.limit == 2
    limit.answered()
    assert limit.limit == START


def test_a_limit_never_falls_below_one_nor_above_the_most() -> None:
    assert limited(3).limit == 3
    limit = limited(1)
    for _ in range(1000):
        limit.refused()
    assert limit.limit == 1


def test_a_few_refusals_right_at_the_start_are_not_judged() -> None:
    limit = limited()
    for _ in range(5):
        limit.refused()
    assert limit.limit == 40
