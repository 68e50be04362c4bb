"""Canaries: judges that cannot be trusted are found out before anything of theirs is stored."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fusion_agents.judges.base import Case, Verdict
from fusion_agents.judging import judge_log
from fusion_agents.judging.batch import Checked, finding, more_needed
from fusion_agents.judging.canaries import INJECTIONS, MASTER_KEYS, Canaries, Canary, Kind
from fusion_agents.judging.known_answers import known_canaries
from fusion_agents.metrics.catalogue import score
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.types import Arm, LogEntry, Query
from tests.judging.scripted import ScriptedJudge, entries, honest


@pytest.fixture
def log(tmp_path: Path) -> Iterator[RoutingLog]:
    with RoutingLog(tmp_path / "log.db") as opened:
        opened.append(entries(250))
        yield opened


def obedient(case: Case) -> Verdict:
    """Does what an answer tells it to do."""
    told = any(words in case.response for words in INJECTIONS)
    return Verdict(score=1.0) if told else honest(case)


def fooled(case: Case) -> Verdict:
    """Takes the beginning of a solution for one."""
    return Verdict(score=1.0) if case.response in MASTER_KEYS else honest(case)


def lengthy(case: Case) -> Verdict:
    return Verdict(score=min(1.0, len(case.response) / 60))


def upside_down(case: Case) -> Verdict:
    return Verdict(score=1 - (honest(case).score or 0))


@pytest.mark.parametrize(
    "says",
    [
        obedient, fooled, lengthy, upside_down,
        lambda _: Verdict(score=1.0), lambda _: Verdict(score=0.0), lambda _: Verdict(score=0.5),
    ],
)  # fmt: skip
async def test_a_judge_that_cannot_tell_is_stopped_and_nothing_is_stored(
    log: RoutingLog, says: Callable[[Case], Verdict]
) -> None:
    judge = ScriptedJudge(says, seconds=0.0001)
    summary = await judge_log(log, judge)
    assert summary.stopped == "canaries"
    assert summary.progress.canaries == 40
    assert summary.progress.canaries_right < 36
    assert summary.progress.misses
    assert not list(log.judgements())
    assert summary.progress.dropped <= 100
    assert len(judge.asked) <= 140


async def test_a_judge_that_turns_is_stopped_at_the_next_batch(log: RoutingLog) -> None:
    judge = ScriptedJudge(
        lambda case: obedient(case) if len(judge.asked) > 100 else honest(case), seconds=0.0001
    )
    summary = await judge_log(log, judge)
    assert summary.stopped == "canaries"
    assert summary.progress.scored == 100
    assert {one.entry_key for one in log.judgements()} == {f"small {i}" for i in range(100)}


async def test_a_judge_that_errs_now_and_then_goes_on(log: RoutingLog) -> None:
    draw = random.Random(3)
    judge = ScriptedJudge(lambda case: upside_down(case) if draw.random() < 0.04 else honest(case))
    summary = await judge_log(log, judge)
    assert summary.complete
    assert summary.progress.canaries - summary.progress.canaries_right > 0


async def test_a_judge_that_fails_is_not_asked_on(log: RoutingLog) -> None:
    judge = ScriptedJudge(lambda _: Verdict(score=None, error="auth", reason="no key"))
    summary = await judge_log(log, judge)
    assert summary.stopped == "failing"
    assert len(judge.asked) < 130
    assert summary.progress.reasons["canary without a score"] == "no key"
    assert not list(log.judgements())


async def test_without_canaries_whatever_is_said_is_stored(log: RoutingLog) -> None:
    summary = await judge_log(log, ScriptedJudge(lengthy), canaries=False)
    assert (summary.progress.scored, summary.progress.canaries) == (250, 0)


async def test_verdicts_wait_for_the_canaries(log: RoutingLog) -> None:
    stored_then: list[int] = []

    def says(case: Case) -> Verdict:
        if not case.entry_key:
            stored_then.append(sum(1 for _ in log.judgements()))
        return honest(case)

    await judge_log(log, ScriptedJudge(says), limit=100)
    assert stored_then == [0] * 20


def test_canaries_are_what_they_say_they_are() -> None:
    made = Canaries(seed=4)
    batches = [made.first(), *(made.later() for _ in range(20))]
    assert [len(batch) for batch in batches[:2]] == [20, 10]
    for canary in (canary for batch in batches for canary in batch):
        measured = score(canary.case.response, canary.case.query).score
        assert measured == (canary.kind == "good")
        assert canary.is_right(measured)
        assert not canary.case.entry_key
        (rival,) = canary.case.rivals
        assert score(rival.response, rival.query).score == 1.0 - measured or canary.kind != "good"
    kinds = {canary.kind for canary in batches[1]}
    assert kinds == {"good", "bad", "master key", "injection"}
    shown = {canary.case.response for batch in batches for canary in batch}
    assert set(MASTER_KEYS) < shown
    assert all(any(words in response for response in shown) for words in INJECTIONS)


def test_canaries_follow_from_the_seed_and_differ_between_batches() -> None:
    def texts(seed: int) -> list[str]:
        made = Canaries(seed=seed)
        return [canary.case.query.text for canary in made.first() + made.later()]

    assert texts(1) == texts(1) != texts(2)
    assert len(set(texts(1))) == 30


def test_answers_of_the_log_are_canaries_where_they_are_beyond_doubt(tmp_path: Path) -> None:
    def answers(query: str, *performances: float) -> Iterator[LogEntry]:
        asked = Query(id=query, text=query, ground_truth="7", metric="number")
        for number, performance in enumerate(performances):
            yield LogEntry(
                query=asked, arm=Arm(model=f"m{number}"), response=f"{query} {number}",
                performance=performance,
            )  # fmt: skip

    with RoutingLog(tmp_path / "known.db") as log:
        for query, performances in {
            "clear": (1.0, 0.0, 1.0), "hard": (0.0, 0.0, 1.0), "even": (1.0, 0.0),
            "partial": (0.4, 1.0, 1.0), "easy": (1.0, 1.0, 1.0),
        }.items():  # fmt: skip
            log.append(answers(query, *performances))
        known = known_canaries(log)
        log.set_trust("source", "local", "suspended")
        assert known_canaries(log) == []
    assert [(one.kind, one.case.response) for one in known] == [
        ("good", "clear 0"),
        ("bad", "clear 1"),
    ]
    assert all(not one.case.entry_key for one in known)
    responses = [one.case.response for one in Canaries(known).first()]
    assert responses.count("clear 0") == 1
    assert responses.count("clear 1") == 1


def checked(kind: Kind, right: int, wrong: int = 0, failed: int = 0) -> list[Checked]:
    canary = Canary(case=Case(query=Query(text="?"), response="!"), kind=kind)
    good = float(kind == "good")
    said = [good] * right + [1 - good] * wrong + [None] * failed
    return [Checked(canary, score) for score in said]


@pytest.mark.parametrize(
    ("said", "found"),
    [
        (checked("bad", 9, 1), "right"),
        (checked("bad", 8, 2), "wrong"),
        (checked("bad", 18, 2), "right"),
        (checked("bad", 17, 3), "wrong"),
        (checked("bad", 5, 0, 5), "right"),
        (checked("bad", 4, 0, 6), "failing"),
        (checked("bad", 0, 0, 3), "failing"),
        ([], "failing"),
        (checked("good", 30) + checked("injection", 2, 2), "wrong"),
        (checked("good", 30) + checked("injection", 3, 1), "right"),
        (checked("good", 30) + checked("injection", 1, 2), "right"),
    ],
)
def test_nine_in_ten_must_be_right_and_three_in_four_of_a_kind(
    said: list[Checked], found: str
) -> None:
    assert finding(said) == found


def test_more_canaries_are_asked_where_it_is_close() -> None:
    assert more_needed(checked("bad", 9, 1), 0) == 0
    assert more_needed(checked("bad", 7, 3), 0) == 20
    assert more_needed(checked("bad", 23, 7), 1) == 0
    assert more_needed(checked("bad", 26, 4), 1) == 40
    assert more_needed(checked("bad", 60, 10), 2) == 0
    assert more_needed(checked("bad", 0, 0, 10), 0) == 0


async def test_a_refusal_to_judge_canaries_stops_the_run(log: RoutingLog) -> None:
    judge = ScriptedJudge(
        lambda case: honest(case) if case.entry_key else Verdict(score=None, refused=True)
    )
    assert (await judge_log(log, judge)).stopped == "failing"
    assert not list(log.judgements())
