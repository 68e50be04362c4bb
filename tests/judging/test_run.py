"""Judging a log: what is judged, what is stored, when it stops."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fusion_agents.errors import ConfigError
from fusion_agents.judges.base import Case, Verdict
from fusion_agents.judges.feedback import FeedbackJudge
from fusion_agents.judges.metric import MetricJudge
from fusion_agents.judging import LogJudge, judge_log
from fusion_agents.judging.cases import is_chosen
from fusion_agents.stores.log_filter import LogFilter
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.types import Arm, LogEntry, Query
from tests.judge_cases import WordJudge
from tests.judging.scripted import ScriptedJudge, entries, honest


@pytest.fixture
def log(tmp_path: Path) -> Iterator[RoutingLog]:
    with RoutingLog(tmp_path / "log.db") as opened:
        yield opened


def scores(log: RoutingLog) -> dict[str, float | None]:
    return {one.entry_key: one.score for one in log.judgements()}


async def test_every_answer_gets_a_score_once_and_nothing_else_does(log: RoutingLog) -> None:
    log.append(entries(130))
    log.append([LogEntry(query=Query(text="?"), arm=Arm(model="down"), error="timeout")])
    judge = ScriptedJudge(honest)

    summary = await judge_log(log, judge, source="a test")
    assert summary.complete
    assert summary.progress.scored == 130
    assert scores(log) == {f"small {i}": float(i % 3 != 0) for i in range(130)}
    kept = next(iter(log.judgements()))
    assert (kept.judge, kept.judge_version, kept.source) == ("scripted", "1", "a test")
    assert (kept.reason, kept.cost) == ("checked", 0.001)

    again = await judge_log(log, judge)
    assert (again.progress.scored, again.progress.canaries) == (0, 0)
    assert len(judge.asked_of_log) == 130


async def test_another_version_judges_again_and_both_are_kept(log: RoutingLog) -> None:
    log.append(entries(3))
    await judge_log(log, ScriptedJudge(honest))
    await judge_log(log, ScriptedJudge(honest, version="2"))
    assert sorted(one.judge_version for one in log.judgements()) == ["1", "1", "1", "2", "2", "2"]


async def test_no_more_verdicts_at_a_time_than_allowed(log: RoutingLog) -> None:
    log.append(entries(40))
    judge = ScriptedJudge(honest, seconds=0.001)
    await judge_log(log, judge, concurrency=5)
    assert judge.most_at_a_time == 5


async def test_a_share_is_the_same_each_time_and_grows_with_the_rate(log: RoutingLog) -> None:
    log.append(entries(100))
    first = ScriptedJudge(honest)
    await judge_log(log, first, rate=0.3)
    few = {case.entry_key for case in first.asked_of_log}
    assert few == {f"small {i}" for i in range(100) if is_chosen(f"small {i}", 0.3)}
    assert 15 < len(few) < 45
    more = ScriptedJudge(honest, version="2")
    await judge_log(log, more, rate=0.6)
    assert few < {case.entry_key for case in more.asked_of_log}
    assert (await judge_log(log, first, rate=0.3)).progress.scored == 0


async def test_a_limit_and_a_filter_bound_what_is_judged(log: RoutingLog) -> None:
    log.append(entries(10))
    log.append(entries(10, model="large"))
    where = LogFilter(models=("large",))
    summary = await judge_log(log, ScriptedJudge(honest), where=where, limit=4)
    assert summary.progress.scored == 4
    assert {key.partition(" ")[0] for key in scores(log)} == {"large"}


@pytest.mark.parametrize("failed", [Verdict(score=None, error="timeout", reason="slow", cost=0.01)])
async def test_a_failure_is_no_score_and_is_tried_again(log: RoutingLog, failed: Verdict) -> None:
    log.append(entries(20))
    judge = ScriptedJudge(lambda case: failed if case.entry_key == "small 3" else honest(case))
    summary = await judge_log(log, judge)
    assert (summary.progress.scored, summary.progress.failed) == (19, 1)
    assert summary.progress.errors == {"timeout": 1}
    assert scores(log)["small 3"] is None
    await judge_log(log, judge)
    assert [one.cost for one in log.judgements() if one.score is None] == [0.01, 0.01]

    assert (await judge_log(log, ScriptedJudge(honest))).progress.scored == 1


@pytest.mark.parametrize("score", [1.5, -0.1, float("nan"), float("inf")])
async def test_what_is_no_score_is_not_taken_for_one(log: RoutingLog, score: float) -> None:
    log.append(entries(10))
    judge = ScriptedJudge(lambda case: replace(honest(case), score=score)
                          if case.entry_key == "small 4" else honest(case))  # fmt: skip
    summary = await judge_log(log, judge)
    assert scores(log)["small 4"] is None
    assert summary.progress.errors == {"invalid": 1}


async def test_a_judge_that_raises_costs_one_verdict(log: RoutingLog) -> None:
    def says(case: Case) -> Verdict:
        if case.entry_key == "small 1":
            raise RuntimeError("out of order")
        return honest(case)

    log.append(entries(5))
    summary = await judge_log(log, ScriptedJudge(says))
    assert (summary.progress.scored, summary.progress.failed) == (4, 1)
    assert summary.progress.reasons["other"] == "RuntimeError: out of order"


async def test_what_a_judge_raises_is_stored_without_its_keys(log: RoutingLog) -> None:
    judge = WordJudge(error=RuntimeError("401 for sk-proj-abcdefghijklmnop"))
    log.append(entries(1))
    await judge_log(log, judge, canaries=False, limit=1)
    (judgement,) = log.judgements()
    assert judgement.reason == "RuntimeError: 401 for [redacted]"


async def test_what_a_judge_refuses_asks_nobody_and_needs_no_canaries(log: RoutingLog) -> None:
    log.append(entries(5))
    summary = await judge_log(log, FeedbackJudge())
    assert (summary.progress.refused, summary.progress.canaries) == (5, 0)
    assert summary.complete
    assert not scores(log)


async def test_a_metric_judges_a_log(log: RoutingLog) -> None:
    log.append(entries(6))
    summary = await judge_log(log, MetricJudge())
    assert summary.progress.canaries == summary.progress.canaries_right == 20
    assert list(scores(log).values()) == [0.0, 1.0, 1.0, 0.0, 1.0, 1.0]


async def test_a_budget_ends_a_run_and_is_not_exceeded(log: RoutingLog) -> None:
    log.append(entries(200))
    judge = ScriptedJudge(honest, seconds=0.0005)
    summary = await judge_log(log, judge, budget=0.1)
    assert summary.stopped == "budget"
    assert len(judge.asked) == 100
    assert summary.progress.spent <= 0.1 + 1e-9
    assert sum(one.cost or 0 for one in log.judgements()) == pytest.approx(
        0.001 * summary.progress.scored
    )
    assert (await judge_log(log, judge, budget=0.001)).stopped == "budget"
    assert len(judge.asked) == 100


async def test_a_budget_without_a_price_is_refused(log: RoutingLog) -> None:
    log.append(entries(5))
    judge = ScriptedJudge(lambda case: replace(honest(case), cost=None))
    with pytest.raises(ConfigError, match="needs the price of the judge's model"):
        await judge_log(log, judge, budget=1.0)
    assert len(judge.asked) <= 2


async def test_a_stopped_run_keeps_what_was_judged_and_goes_on_later(log: RoutingLog) -> None:
    log.append(entries(300))
    judge = ScriptedJudge(honest, seconds=0.001)
    run = LogJudge(log, judge, on_progress=lambda p: run.stop(1.0) if p.scored >= 50 else None)
    summary = await run.run()
    assert summary.stopped == "interrupted"
    assert 50 <= summary.progress.scored < 300
    assert summary.progress.scored == len(judge.asked_of_log) == len(scores(log))

    await judge_log(log, judge)
    assert len(judge.asked_of_log) == len(scores(log)) == 300


async def test_a_cancelled_run_keeps_what_was_stored(log: RoutingLog) -> None:
    log.append(entries(300))
    enough = asyncio.Event()

    def says(case: Case) -> Verdict:
        if len(judge.asked_of_log) == 60:
            enough.set()
        return honest(case)

    judge = ScriptedJudge(says, seconds=0.002)
    task = asyncio.create_task(judge_log(log, judge))
    await enough.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(judge.asked_of_log) - 16 <= len(scores(log)) < 300


async def test_answers_of_other_arms_are_shown_to_a_judge_that_compares(log: RoutingLog) -> None:
    for number in range(11):
        log.append(entries(3, model=f"m{number}", text=f"By m{number}: "))
    judge = ScriptedJudge(honest)
    judge.compares = True
    await judge_log(log, judge)
    for case in judge.asked_of_log:
        assert len({str(rival.arm) for rival in case.rivals}) == 8
        assert case.arm not in {rival.arm for rival in case.rivals}
        assert {rival.query.id for rival in case.rivals} == {case.query.id}


async def test_measured_answers_come_first_where_that_is_wanted(log: RoutingLog) -> None:
    log.append(
        one.model_copy(update={"performance": 1.0 if number % 2 else None})
        for number, one in enumerate(entries(20))
    )
    judge = ScriptedJudge(honest)
    await LogJudge(log, judge, measured_first=True, limit=12, concurrency=1).run()
    order = [case.entry_key for case in judge.asked_of_log]
    odd = [f"small {number}" for number in range(1, 20, 2)]
    assert order == [*odd, "small 0", "small 2"]


async def test_an_entry_that_is_gone_meanwhile_stops_nothing(log: RoutingLog) -> None:
    log.append(entries(4))

    def says(case: Case) -> Verdict:
        return honest(case)

    judge = ScriptedJudge(says)
    kept = judge.judgement

    def misdirected(case: Case, verdict: Verdict, source: str = "local") -> object:
        key = "gone" if case.entry_key == "small 2" else case.entry_key
        return kept(replace(case, entry_key=key), verdict, source)

    judge.judgement = misdirected  # type: ignore[assignment,method-assign]
    summary = await judge_log(log, judge)
    assert (summary.progress.scored, summary.progress.failed) == (3, 1)
    assert "no such entry" in summary.progress.reasons["not stored"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"concurrency": 0}, "concurrency must be at least 1, not 0"),
        ({"rate": 1.1}, "rate must be a share from 0 to 1, not 1.1"),
        ({"budget": float("nan")}, "a budget must be a number of dollars, not nan"),
        ({"limit": -1}, "a limit must be a number of answers, not -1"),
    ],
)
async def test_numbers_that_make_no_sense_are_refused(
    log: RoutingLog, options: dict[str, float], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        await judge_log(log, ScriptedJudge(honest), **options)  # type: ignore[arg-type]
