"""A worker judges in the background what a log holds, and ends when it is told to."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fusion_agents.errors import ConfigError
from fusion_agents.judging.worker import JudgeWorker
from fusion_agents.steps.judging import JudgePolicy
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.types import Arm, LogEntry, Query
from tests.judge_cases import WordJudge


@pytest.fixture
def log(tmp_path: Path) -> Iterator[RoutingLog]:
    with RoutingLog(tmp_path / "log.db") as opened:
        yield opened


def answered(*texts: str) -> list[LogEntry]:
    return [
        LogEntry(query=Query(text=text), arm=Arm(model="small"), response=f"42, as to {text}")
        for text in texts
    ]


def scores(log: RoutingLog) -> list[float | None]:
    return [judgement.score for judgement in log.judgements()]


def until(condition: Callable[[], object], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


async def test_a_run_judges_what_is_there(log: RoutingLog) -> None:
    log.append(answered("one", "two"))
    worker = JudgeWorker(log, WordJudge(), canaries=False)
    assert (await worker.run()).progress.scored == 2
    assert (await worker.run()).progress.scored == 0
    assert scores(log) == [1.0, 1.0]


def test_what_comes_later_is_judged_as_it_comes(log: RoutingLog) -> None:
    judge = WordJudge()
    with JudgeWorker(log, judge, canaries=False, every=0.02) as worker:
        log.append(answered("one"))
        until(lambda: len(scores(log)) == 1)
        log.append(answered("two", "three"))
        until(lambda: len(scores(log)) == 3)
        assert worker.running
    assert not worker.running
    assert len(judge.cases) == 3


def test_a_log_that_has_not_grown_is_left_alone(log: RoutingLog) -> None:
    judge = WordJudge(error=None)
    judge.word = "never"
    log.append(answered("one"))
    with JudgeWorker(log, judge, canaries=False, every=0.01) as worker:
        until(lambda: worker.summary is not None)
        first = worker.summary
        time.sleep(0.1)
        assert worker.summary is first


def test_a_judge_that_gets_its_canaries_wrong_is_not_asked_again(
    log: RoutingLog, caplog: pytest.LogCaptureFixture
) -> None:
    log.append(answered("one"))
    worker = JudgeWorker(log, WordJudge(), every=0.01).start()
    until(lambda: not worker.running)
    assert worker.summary is not None
    assert worker.summary.stopped == "canaries"
    assert scores(log) == []
    assert "is not asked again: canaries" in caplog.text


def test_a_judge_that_fails_for_a_while_is_asked_again(
    log: RoutingLog, caplog: pytest.LogCaptureFixture
) -> None:
    judge = WordJudge(error=TimeoutError("not now"))
    log.append(answered("one"))
    with JudgeWorker(log, judge, every=0.01) as worker:
        until(lambda: caplog.text.count("hardly any verdicts, it is tried again") > 1)
        assert worker.running


def test_a_log_that_cannot_be_read_ends_no_worker(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = RoutingLog(tmp_path / "log.db")
    log.close()
    with JudgeWorker(log, WordJudge(), every=0.01) as worker:
        until(lambda: "it is tried again later" in caplog.text)
        assert worker.running


def test_it_is_started_once_and_stopped_as_often_as_one_likes(log: RoutingLog) -> None:
    before = threading.active_count()
    worker = JudgePolicy(WordJudge(), "deferred").worker(log)
    worker.stop()
    worker.start()
    with pytest.raises(ConfigError, match="runs already"):
        worker.start()
    worker.stop()
    worker.stop()
    assert threading.active_count() == before
    worker.start().stop()
