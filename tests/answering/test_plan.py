"""What is done next, in a world whose clock is ours."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion_agents.answering.cooldowns import Cooldowns
from fusion_agents.answering.faults import RETRIED, Fault, FaultKind
from fusion_agents.answering.plan import Ask, Plan, Wait
from fusion_agents.answering.policy import AnswerPolicy
from fusion_agents.types import Arm, Usage

React = Callable[[Ask], Fault | None]
KINDS: tuple[FaultKind, ...] = (
    "rate_limit", "server_error", "timeout", "connection", "empty", "malformed",
    "content_filter", "context_overflow", "auth", "bad_request", "other",
)  # fmt: skip


def fault(kind: FaultKind, retry_after: float | None = None) -> Fault:
    return Fault(kind, f"a {kind}", kind in RETRIED, retry_after)


class World:
    """Providers that react as they are told, and a clock that only moves when somebody waits."""

    def __init__(self, react: React, *, takes: float = 0.0) -> None:
        self.now = 1000.0
        self.start = self.now
        self.react = react
        self.takes = takes
        self.cooldowns = Cooldowns(lambda: self.now)
        self.asked: list[tuple[str, float]] = []
        self.answered_by: str | None = None

    def plan(self, *arms: str, **policy: float) -> Plan:
        return Plan(
            tuple(map(Arm.parse, arms)),
            AnswerPolicy.model_validate(policy),
            self.cooldowns,
            clock=lambda: self.now,
            jitter=lambda: 0.0,
        )

    def run(self, *arms: str, **policy: float) -> Plan:
        """Follow a plan to its end."""
        plan = self.plan(*arms, **policy)
        self.start, self.asked, self.answered_by = self.now, [], None
        while (step := plan.step()) is not None:
            if isinstance(step, Wait):
                assert step.seconds > 0
                self.now += step.seconds
                continue
            self.asked.append((step.arm.model, round(self.now - self.start, 6)))
            self.now += min(self.takes, step.timeout)
            failed = fault("timeout") if self.takes > step.timeout else self.react(step)
            if failed is None:
                plan.answered(Usage(), None)
                self.answered_by = step.arm.model
                return plan
            plan.failed(failed, Usage(), None)
        return plan

    @property
    def order(self) -> str:
        return "".join(name for name, _ in self.asked)


def always(kind: FaultKind, retry_after: float | None = None) -> React:
    return lambda _: fault(kind, retry_after)


def only(name: str, kind: FaultKind, retry_after: float | None = None) -> React:
    return lambda ask: fault(kind, retry_after) if ask.arm.model == name else None


def test_the_best_arm_that_answers_is_all_there_is() -> None:
    world = World(lambda _: None)

    plan = world.run("a", "b")

    assert world.asked == [("a", 0.0)]
    assert [attempt.error for attempt in plan.attempts] == [None]


@pytest.mark.parametrize("kind", sorted(RETRIED))
def test_an_arm_has_its_turns_before_the_next_one_is_asked(kind: FaultKind) -> None:
    world = World(only("a", kind))

    world.run("a", "b", attempts_per_arm=3)

    assert world.asked == [("a", 0.0), ("a", 0.5), ("a", 1.5), ("b", 1.5)]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in RETRIED])
def test_what_will_not_pass_goes_to_the_next_arm_at_once(kind: FaultKind) -> None:
    world = World(only("a", kind))

    world.run("a", "b")

    assert world.asked == [("a", 0.0), ("b", 0.0)]


def test_a_sole_arm_is_asked_until_there_are_no_attempts_left() -> None:
    world = World(always("server_error"))

    world.run("a", max_attempts=8, attempts_per_arm=3)

    assert world.order == "a" * 8


@pytest.mark.parametrize(
    ("arms", "per_arm", "order"),
    [("ab", 3, "aaabbbaa"), ("abc", 1, "abcabcab"), ("ab", 8, "aaaaaaaa"), ("ab", 5, "aaaaabbb")],
)
def test_several_arms_take_turns_until_there_are_no_attempts_left(
    arms: str, per_arm: int, order: str
) -> None:
    world = World(always("server_error"))

    world.run(*arms, max_attempts=8, attempts_per_arm=per_arm)

    assert world.order == order


def test_an_arm_that_dropped_out_has_no_more_turns() -> None:
    world = World(lambda ask: fault("bad_request" if ask.arm.model == "b" else "server_error"))

    world.run("a", "b", "c", attempts_per_arm=1, max_attempts=6)

    assert world.order == "abcaca"


def test_if_all_drop_out_it_is_over() -> None:
    world = World(always("content_filter"))

    world.run("a", "b", "c")

    assert world.order == "abc"
    assert world.now == world.start


def test_a_wrong_key_is_the_models_and_not_the_arms() -> None:
    world = World(only("a", "auth"))

    world.run("a", "a@think", "b")

    assert world.order == "ab"


def test_a_prompt_that_is_too_long_may_be_short_enough_in_another_strategy() -> None:
    world = World(lambda ask: fault("context_overflow") if ask.arm.strategy == "think" else None)

    world.run("a@think", "a", "b")

    assert world.order == "aa"


def test_waits_double_up_to_a_limit() -> None:
    world = World(always("server_error"))

    plan = world.run("a", first_backoff=1, max_backoff=4, max_attempts=6)

    assert [attempt.waited for attempt in plan.attempts] == [0, 1, 2, 4, 4, 4]


def test_a_wait_that_is_asked_for_is_kept() -> None:
    world = World(lambda ask: fault("rate_limit", 7.0) if ask.number == 1 else None)

    plan = world.run("a", "b")

    assert world.asked == [("a", 0.0), ("a", 7.0)]
    assert plan.attempts[1].waited == 7.0


def test_a_wait_that_is_not_sensible_goes_to_the_next_arm_at_once() -> None:
    world = World(only("a", "rate_limit", 31.0))

    world.run("a", "b", deadline=300)
    assert world.asked == [("a", 0.0), ("b", 0.0)]
    world.run("a", "b", deadline=300)
    assert world.asked == [("b", 0.0)]
    world.now += 31.0
    world.run("a", "b", deadline=300)
    assert world.order == "ab"


def test_a_sole_arm_is_waited_for_longer() -> None:
    world = World(lambda ask: fault("rate_limit", 45.0) if ask.number == 1 else None)

    world.run("a", deadline=60)

    assert world.asked == [("a", 0.0), ("a", 45.0)]


def test_what_cannot_come_in_time_is_not_waited_for() -> None:
    world = World(always("rate_limit", 100.0))

    world.run("a", deadline=60)
    assert world.asked == [("a", 0.0)]
    assert world.now == world.start

    world.run("a", deadline=60)
    assert world.asked == []


def test_another_arm_of_a_model_that_must_wait_comes_after_other_models() -> None:
    world = World(only("a", "rate_limit"))

    world.run("a", "a@think", "b", attempts_per_arm=1)

    assert world.order == "ab"


def test_an_arm_that_keeps_failing_is_skipped_by_other_queries() -> None:
    world = World(only("a", "server_error"))
    world.run("a", "b")
    assert world.order == "aaab"

    world.run("a", "b")

    assert world.order == "b"


def test_a_query_moves_on_when_its_arm_fails_others_too() -> None:
    world = World(only("a", "timeout"))
    plans = [world.plan("a", "b") for _ in range(12)]
    for plan in plans:
        assert isinstance(plan.step(), Ask)
    world.now += 60.0
    for plan in plans:
        plan.failed(fault("timeout"), Usage(), None)

    steps = [plan.step() for plan in plans]

    assert {step.arm.model for step in steps if isinstance(step, Ask)} == {"b"}


def test_one_random_refusal_is_forgotten() -> None:
    world = World(lambda ask: fault("rate_limit") if ask.number == 1 else None)

    for _ in range(30):
        world.run("a", "b")
        assert world.order == "aa"


def test_if_all_rest_the_one_whose_rest_ends_first_is_waited_for() -> None:
    world = World(always("server_error"))
    policy = {"cooldown": 5.0, "max_backoff": 8.0, "max_attempts": 3}
    world.run("b", **policy)
    world.now += 2.0
    world.run("a", **policy)
    world.react = lambda _: None

    world.run("a", "b", **policy)

    assert world.answered_by == "b"
    assert 0 < world.asked[0][1] <= 3.0


def test_one_that_merely_keeps_failing_is_not_waited_for_longer_than_a_repetition() -> None:
    world = World(lambda _: Fault("rate_limit", "insufficient_quota"))
    world.run("a", cooldown=60.0)
    world.react = lambda _: None

    world.run("a", cooldown=60.0, max_backoff=8.0)

    assert world.asked == [("a", 8.0)]


def test_a_model_whose_key_was_refused_is_not_waited_for() -> None:
    world = World(always("auth"))
    world.run("a")
    world.now += 6.5

    plan = world.run("a", "a@think")

    assert world.asked == []
    assert world.now == world.start
    assert plan.resting(Arm.parse("a@think")) == "rests 24 s more since its key was refused"


def test_others_are_waited_for_where_a_key_was_refused() -> None:
    world = World(only("a", "auth"))
    world.run("a")
    world.react = lambda ask: fault("server_error") if ask.number < 3 else None

    world.run("a", "b", attempts_per_arm=1)

    assert world.asked == [("b", 0.0), ("b", 0.5), ("b", 1.5)]


def test_a_query_goes_on_without_a_model_whose_key_is_refused_meanwhile() -> None:
    world = World(always("server_error"))
    plan = world.plan("a", "b", attempts_per_arm=5)
    for _ in range(2):
        while isinstance(step := plan.step(), Wait):
            world.now += step.seconds
        plan.failed(fault("server_error"), Usage(), None)
    world.cooldowns.answered("a")
    world.cooldowns.failed("a", fault("auth"), seconds=30.0, patience=8.0)

    step = plan.step()

    assert isinstance(step, Ask)
    assert step.arm.model == "b"


def test_a_refused_key_is_tried_once_in_each_rest_however_many_ask() -> None:
    world = World(always("auth"))
    requests = 0
    for _ in range(600):
        world.run("a", cooldown=30.0)
        requests += len(world.asked)
        world.now += 0.1

    assert requests == 2


def test_while_one_query_tries_a_refused_key_the_others_fail_at_once() -> None:
    world = World(always("auth"))
    world.run("a", cooldown=30.0)
    world.now += 30.0
    probe = world.plan("a")
    assert isinstance(probe.step(), Ask)

    assert [world.plan("a").step() for _ in range(20)] == [None] * 20

    probe.answered(Usage(), None)
    assert isinstance(world.plan("a").step(), Ask)


def test_hangs_end_at_the_deadline() -> None:
    world = World(lambda _: None, takes=1e9)

    plan = world.run("a", "b", deadline=100, attempt_timeout=40, attempts_per_arm=1)

    assert world.order == "aba"
    assert world.now - world.start == 100
    assert [attempt.error for attempt in plan.attempts] == ["timeout"] * 3


def test_a_timeout_for_want_of_time_is_not_the_models_fault() -> None:
    world = World(lambda _: None, takes=1e9)
    for _ in range(30):
        plan = world.plan("a", deadline=10, attempt_timeout=8)
        world.now += 9.0
        assert isinstance(plan.step(), Ask)
        plan.failed(fault("timeout"), Usage(), None)

    assert world.cooldowns.rest("a").seconds == 0


def test_what_the_caller_does_meanwhile_does_not_count() -> None:
    world = World(lambda _: None)
    plan = world.plan("a", deadline=10, attempt_timeout=4)
    plan.step()
    assert plan.patience(begun=False) == 4.0

    with plan.paused():
        world.now += 100.0
    world.now += 1.0

    assert plan.patience(begun=False) == 3.0
    assert plan.patience(begun=True) == 4.0
    world.now += 8.0
    assert plan.patience(begun=True) == 1.0
    assert plan.left == 1.0


faults = st.one_of(
    st.none(),
    st.builds(
        fault,
        st.sampled_from(KINDS),
        st.one_of(st.none(), st.floats(0, 200)),
    ),
)


@given(
    st.lists(st.lists(faults, min_size=10, max_size=10), min_size=1, max_size=4),
    st.sampled_from([("a",), ("a", "b"), ("a", "a@think", "b"), ("a", "b", "c")]),
    st.integers(1, 8),
    st.integers(1, 4),
    st.floats(0, 50),
)
def test_every_query_ends_in_time_with_no_more_calls_than_allowed(
    scripts: list[list[Fault | None]],
    arms: tuple[str, ...],
    max_attempts: int,
    per_arm: int,
    takes: float,
) -> None:
    world = World(lambda _: None, takes=takes)
    for script in scripts:
        world.react = lambda ask, script=script: script[ask.number - 1]  # type: ignore[misc]
        plan = world.run(*arms, max_attempts=max_attempts, attempts_per_arm=per_arm, deadline=120)

        assert world.now - world.start <= 120 + 1e-6
        assert len(plan.attempts) == len(world.asked) <= max_attempts
        answered = [attempt.error is None for attempt in plan.attempts]
        assert sum(answered) == (world.answered_by is not None)
        assert not any(answered[:-1])
        for before, after in zip(plan.attempts, plan.attempts[1:], strict=False):
            if before.arm == after.arm:
                assert before.error in RETRIED
