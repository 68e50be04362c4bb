"""Which models are left alone."""

import threading

import pytest

from fusion_agents.answering.cooldowns import Cooldowns
from fusion_agents.answering.faults import Fault, FaultKind

LIMITED = Fault("rate_limit", "slow down", retry=True)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cooldowns(clock: Clock) -> Cooldowns:
    return Cooldowns(clock)


def fail(cooldowns: Cooldowns, fault: Fault = LIMITED) -> None:
    cooldowns.failed("a", fault, seconds=30.0, patience=8.0)


def test_one_refusal_is_no_reason_to_rest(cooldowns: Cooldowns) -> None:
    fail(cooldowns)
    fail(cooldowns)

    assert not cooldowns.rest("a").seconds
    assert cooldowns.admit("a", 30.0)


def test_three_refusals_in_a_row_over_a_second_are(cooldowns: Cooldowns, clock: Clock) -> None:
    for _ in range(3):
        fail(cooldowns)
        clock.now += 0.5

    assert cooldowns.rest("a").seconds == pytest.approx(29.5)
    assert not cooldowns.admit("a", 30.0)
    assert cooldowns.admit("b", 30.0)


def test_ten_refusals_in_a_row_at_once_are(cooldowns: Cooldowns) -> None:
    for _ in range(9):
        fail(cooldowns)
    assert not cooldowns.rest("a").seconds

    fail(cooldowns)

    assert cooldowns.rest("a").failing == 30.0


def test_a_success_ends_a_row(cooldowns: Cooldowns, clock: Clock) -> None:
    for _ in range(20):
        fail(cooldowns)
        fail(cooldowns)
        cooldowns.answered("a")
        clock.now += 1.0

    assert not cooldowns.rest("a").seconds


def test_a_long_wait_that_is_asked_for_is_everybodys(cooldowns: Cooldowns, clock: Clock) -> None:
    fail(cooldowns, LIMITED._replace(retry_after=60.0))
    assert cooldowns.rest("a").asked == 60.0

    cooldowns.answered("a")
    clock.now += 59.0

    assert not cooldowns.admit("a", 30.0)
    clock.now += 1.0
    assert cooldowns.admit("a", 30.0)


def test_a_short_wait_concerns_the_call_that_was_told(cooldowns: Cooldowns) -> None:
    fail(cooldowns, LIMITED._replace(retry_after=2.0))

    assert not cooldowns.rest("a").seconds


@pytest.mark.parametrize("kind", ["auth", "rate_limit"])
def test_what_does_not_pass_makes_it_rest_at_once(cooldowns: Cooldowns, kind: FaultKind) -> None:
    fail(cooldowns, Fault(kind, "no", retry=False))

    assert cooldowns.rest("a").failing == 30.0


@pytest.mark.parametrize("kind", ["empty", "malformed", "content_filter", "bad_request", "other"])
def test_faults_of_a_query_do_not_count(cooldowns: Cooldowns, kind: FaultKind) -> None:
    for _ in range(50):
        fail(cooldowns, Fault(kind, "no"))

    assert not cooldowns.rest("a").seconds


def test_after_the_rest_one_query_tries_and_the_others_wait_for_it(
    cooldowns: Cooldowns, clock: Clock
) -> None:
    fail(cooldowns, Fault("auth", "no"))
    clock.now += 30.0

    assert cooldowns.admit("a", 5.0)
    assert not cooldowns.admit("a", 5.0)
    cooldowns.answered("a")
    assert cooldowns.admit("a", 5.0)


def test_if_the_one_that_tries_fails_it_rests_again(cooldowns: Cooldowns, clock: Clock) -> None:
    fail(cooldowns, Fault("auth", "no"))
    clock.now += 30.0
    assert cooldowns.admit("a", 5.0)

    fail(cooldowns)

    assert cooldowns.rest("a").failing == 30.0


def test_if_the_one_that_tries_never_reports_the_next_one_may(
    cooldowns: Cooldowns, clock: Clock
) -> None:
    fail(cooldowns, Fault("auth", "no"))
    clock.now += 30.0
    assert cooldowns.admit("a", 5.0)

    clock.now += 5.0

    assert cooldowns.admit("a", 5.0)


def test_only_one_of_many_threads_is_admitted_after_a_rest(
    cooldowns: Cooldowns, clock: Clock
) -> None:
    fail(cooldowns, Fault("auth", "no"))
    clock.now += 30.0
    admitted: list[bool] = []
    threads = [
        threading.Thread(target=lambda: admitted.append(cooldowns.admit("a", 5.0)))
        for _ in range(20)
    ]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(admitted) == 1


def test_a_refused_key_stays_refused_while_one_query_tries_it(
    cooldowns: Cooldowns, clock: Clock
) -> None:
    fail(cooldowns, Fault("auth", "no"))
    assert cooldowns.rest("a").refused == 30.0
    clock.now += 30.0
    assert cooldowns.rest("a").refused == 0.0

    assert cooldowns.admit("a", 5.0)

    assert cooldowns.rest("a").refused == 5.0


@pytest.mark.parametrize("kind", ["rate_limit", "server_error", "content_filter", "empty"])
def test_a_key_that_was_taken_is_no_longer_refused(cooldowns: Cooldowns, kind: FaultKind) -> None:
    fail(cooldowns, Fault("auth", "no"))

    fail(cooldowns, Fault(kind, "later", retry=True))

    assert cooldowns.rest("a").refused == 0.0
    assert cooldowns.rest("a").failing == 30.0


def test_a_fault_of_our_own_says_nothing_of_the_key(cooldowns: Cooldowns) -> None:
    fail(cooldowns, Fault("auth", "no"))

    fail(cooldowns, Fault("other", "a broken callback"))

    assert cooldowns.rest("a").refused == 30.0


def test_a_rest_says_why_and_how_long(cooldowns: Cooldowns, clock: Clock) -> None:
    assert cooldowns.rest("a").reason == ""

    fail(cooldowns, Fault("rate_limit", "no quota"))
    clock.now += 5.5
    assert cooldowns.rest("a").reason == "rests 25 s more since it keeps failing"

    fail(cooldowns, LIMITED._replace(retry_after=60.0))
    assert cooldowns.rest("a").reason == "rests 60 s more since its provider asked for it"

    fail(cooldowns, Fault("auth", "no"))
    assert cooldowns.rest("a").reason == "rests 30 s more since its key was refused"
