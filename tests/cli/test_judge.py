"""`fusion-agents judge`: what it judges, says and leaves behind."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.testing.openai_server import Behaviour, CalledTool, OpenAIServer, Request, Rule
from fusion_agents.testing.scripted_judge import Seen, read_shown
from fusion_agents.types import Arm, LogEntry, Query
from tests.cli.conftest import KEY, Run


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Forty sums, each answered rightly by one arm and wrongly by another; all measured."""
    path = tmp_path / "routing.db"
    with RoutingLog(path) as opened:
        opened.append(
            LogEntry(
                query=Query(text=f"{i} + 1?", ground_truth=f"{i + 1}", metric="number"),
                arm=Arm(model=f"arm-{off}"),
                response=f"I think that it is {i + 1 + off}.",
                performance=float(off == 0),
            )
            for i in range(40)
            for off in (0, 1)
        )
    return path


def verdict(score: float, request: Request, seen: Seen) -> Behaviour:
    said = {"reason": "So it is.", "marker": seen.marker}
    fields = dict.fromkeys(("correctness", "reasoning", "usefulness"), score)
    tools = request.body.get("tools")
    if not tools:
        return Behaviour(text=json.dumps({**said, **fields}))
    call = CalledTool(name=tools[0]["function"]["name"], args={**said, **fields})
    return Behaviour(text=None, tool_calls=(call,))


def knowing(request: Request) -> Behaviour:
    """Looks whether the reference is in the answer, as a word."""
    seen = read_shown(request.text)
    right = re.search(rf"\b{seen.texts['reference']}\b", seen.texts["answer"])
    return verdict(0.9 if right else 0.2, request, seen)


def obedient(request: Request) -> Behaviour:
    """Finds everything right that is called an answer."""
    seen = read_shown(request.text)
    return verdict(1.0, request, seen)


def arguments(models: Path, log: Path, *more: str) -> list[str]:
    return ["judge", "--judge", "rubric:small", "--models", str(models), "--log", str(log), *more]


def test_a_log_is_judged_measured_and_calibrated(
    run: Run, server: OpenAIServer, models: Path, log: Path, tmp_path: Path
) -> None:
    server.rule = knowing
    report = tmp_path / "judge.html"
    done = run(*arguments(models, log, "--calibrate", "--report", str(report)))
    assert "judged 80 answers; 20 of 20 canaries right; spent $0." in done.stderr
    assert "stored what its scores are worth, learned from 80 answers" in done.stderr
    assert "AUC" in done.stdout
    assert "1.000 [1.000, 1.000]" in done.stdout
    assert report.read_text().startswith("<!doctype html>")
    assert report.stat().st_mode & 0o777 == 0o600
    with RoutingLog(log) as opened:
        scores = {one.score for one in opened.judgements()}
        (calibration,) = opened.calibrations()
    assert scores == {0.2, 0.9}
    assert calibration.performance(0.9) > 0.9

    hits = server.hits
    assert "judged 0 answers" in run(*arguments(models, log)).stderr
    assert server.hits == hits


def test_a_report_is_written_as_its_name_says(
    run: Run, server: OpenAIServer, models: Path, log: Path, tmp_path: Path
) -> None:
    server.rule = knowing
    run(*arguments(models, log, "--calibrate", "--report", str(tmp_path / "judge.md")))
    assert "| AUC | 1.000" in (tmp_path / "judge.md").read_text()
    run(*arguments(models, log, "--calibrate", "--report", str(tmp_path / "judge.json")))
    assert json.loads((tmp_path / "judge.json").read_text())["n"] == 80


def test_a_judge_that_believes_everything_is_stopped(
    run: Run, server: OpenAIServer, models: Path, log: Path
) -> None:
    server.rule = obedient
    said = run(*arguments(models, log, "--calibrate"), code=2).stderr
    assert "stopped: the judge got too many answers wrong" in said
    assert "canaries right" in said
    with RoutingLog(log) as opened:
        assert not list(opened.judgements())
        assert not opened.calibrations()


def test_what_tells_nothing_is_not_stored_as_a_calibration(
    run: Run, server: OpenAIServer, models: Path, log: Path
) -> None:
    server.rule = obedient
    said = run(*arguments(models, log, "--calibrate", "--no-canaries"), code=2).stderr
    assert "no calibration was stored: the scores do not tell right from wrong" in said
    with RoutingLog(log) as opened:
        assert not opened.calibrations()


def test_a_dry_run_counts_and_asks_nobody(
    run: Run, server: OpenAIServer, models: Path, log: Path
) -> None:
    said = run(*arguments(models, log, "--dry-run")).stdout
    assert "80 answers to judge" in said
    assert "not known yet" in said
    server.rule = knowing
    run(*arguments(models, log, "--limit", "10"))
    hits = server.hits
    said = run(*arguments(models, log, "--dry-run", "--rate", "0.5")).stdout
    assert "estimated cost, by earlier verdicts: $0." in said
    assert server.hits == hits
    with RoutingLog(log) as opened:
        assert len(list(opened.judgements())) == 10


def test_a_budget_stops_the_run_and_says_how_to_go_on(
    run: Run, server: OpenAIServer, models: Path, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.rule = knowing
    command = arguments(models, log, "--budget", "0.01")
    monkeypatch.setattr("sys.argv", ["fusion-agents", *command])
    said = run(*command, code=2).stderr
    assert "stopped: the budget is used up" in said
    assert f"to go on:\n  {shlex.join(['fusion-agents', *command])}\n" in said


def test_a_key_that_is_refused_is_not_repeated(
    run: Run, server: OpenAIServer, models: Path, log: Path
) -> None:
    server.rule = lambda _: Behaviour(status=401, echo_key=True)
    said = run(*arguments(models, log), code=2).stderr
    assert "stopped: the judge gave no verdict" in said
    assert KEY not in said
    assert KEY.encode() not in log.read_bytes()


def test_a_metric_needs_no_models(run: Run, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(log.parent)
    said = run("judge", "--judge", "metric", "--log", log).stderr
    assert "judged 80 answers; 20 of 20 canaries right; spent $0.00" in said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--judge", "oracle"], "there is no judge 'oracle'"),
        (["--report", "x.html"], "--report says what --calibrate finds"),
        (["--calibrate", "--report", "x.pdf"], "name it .html, .md or .json"),
        (["--log", "missing.db"], "there is no log at 'missing.db'"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_done(
    run: Run, log: Path, options: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(log.parent)
    given = ["judge", "--judge", "metric", "--log", str(log), *options]
    assert message in run(*given, code=2).stderr


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_stops_the_run_and_the_same_command_goes_on(
    run: Run, server: OpenAIServer, models: Path, log: Path
) -> None:
    slow: Rule = lambda request: knowing(request).model_copy(update={"delay": 0.1})  # noqa: E731
    server.rule = slow
    command = [sys.executable, "-m", "fusion_agents", *arguments(models, log, "--concurrency", "4")]
    process = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
        # a job in the background inherits that Ctrl-C is ignored
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    until = time.monotonic() + 120
    while server.hits < 40 and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "stopped: interrupted" in said
    assert "to go on:" in said
    with RoutingLog(log) as opened:
        kept = len(list(opened.judgements()))
    assert 0 < kept < 80

    server.rule = knowing
    assert f"judged {80 - kept} answers" in run(*command[3:]).stderr
