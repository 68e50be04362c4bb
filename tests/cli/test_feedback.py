import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from fusion_agents.stores.routing_log import RoutingLog
from tests.cli.conftest import Run


@pytest.fixture
def answered(run: Run, sums_router: Path, models: Path, tmp_path: Path) -> Callable[..., str]:
    """Ask, record, and give the turn."""

    def ask(*options: object) -> str:
        log = tmp_path / "log.db"
        asked = run(
            "ask", "3 + 3?", "--json", "--models", models, "--router", sums_router, "--log", log,
            *options,
        )  # fmt: skip
        turn: str = json.loads(asked.stdout)["fusion"]["turn"]
        return turn

    return ask


def feedback(run: Run, tmp_path: Path, *arguments: object, code: int = 0) -> Result:
    return run("feedback", "--log", tmp_path / "log.db", *arguments, code=code)


def scores(tmp_path: Path) -> list[tuple[float | None, str | None, str]]:
    with RoutingLog(tmp_path / "log.db") as log:
        return [(one.score, one.reason, one.source) for one in log.judgements()]


def test_what_a_user_says_of_a_run_is_kept(
    run: Run, tmp_path: Path, answered: Callable[..., str]
) -> None:
    turn = answered()
    result = feedback(run, tmp_path, "--run-id", turn, "--score", "4 of 5", "--comment", "good")
    assert result.stderr.startswith("kept score 0.75 for entry ")
    feedback(run, tmp_path, "--run-id", turn, "--score", "down", "--source", "ann")
    assert scores(tmp_path) == [(0.75, "good", "user"), (0.0, None, "ann")]


def test_a_file_is_read_and_what_is_wrong_in_it_is_told(
    run: Run, tmp_path: Path, answered: Callable[..., str]
) -> None:
    file = tmp_path / "feedback.jsonl"
    lines = [{"run_id": answered(), "score": True}, {"run_id": "nobody", "score": 1}]
    file.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    first = feedback(run, tmp_path, "--file", file)
    assert "read 2 lines" in first.stderr
    assert "stored 1; 1 refused" in first.stderr.replace("\n", " ")
    assert "feedback.jsonl:2: run 'nobody' is not in the log" in first.stderr
    assert "1 were there before" in feedback(run, tmp_path, "--file", file).stderr
    assert scores(tmp_path) == [(1.0, None, "user")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "give either --run-id"),
        (("--run-id", "nobody", "--score", "1"), "is not in the log"),
        (("--run-id", "nobody"), "says nothing"),
        (("--run-id", "nobody", "--score", "7"), "is not in [0, 1]"),
    ],
)
def test_what_cannot_be_kept_is_refused(
    run: Run,
    tmp_path: Path,
    answered: Callable[..., str],
    arguments: tuple[str, ...],
    message: str,
) -> None:
    answered()
    said = feedback(run, tmp_path, *arguments, code=2).stderr
    assert message in " ".join(said.split())


def test_a_log_that_is_not_there_is_not_made(run: Run, tmp_path: Path) -> None:
    assert "there is no log" in feedback(
        run, tmp_path, "--run-id", "1", "--score", "1", code=2
    ).stderr.replace("\n", " ")
    assert not (tmp_path / "log.db").exists()


def test_an_answer_may_be_judged_and_another_arm_tried(
    run: Run, tmp_path: Path, models: Path, sums_router: Path
) -> None:
    asked = run(
        "ask", "3 + 3?", "--json", "--models", models, "--router", sums_router,
        "--judge", "metric", "--explore", "1.0",
    )  # fmt: skip
    evidence = json.loads(asked.stdout)["fusion"]
    assert (evidence["judgement"]["judge"], evidence["judgement"]["score"]) == ("metric", None)
    assert evidence["propensity"] == 0.5
    alone = run("ask", "3 + 3?", "--models", models, "--explore", "0.1", code=2)
    assert "--explore needs the forecasts of a router" in alone.stderr


def test_a_batch_is_judged_and_recorded_with_propensities(
    run: Run, tmp_path: Path, models: Path, sums_router: Path
) -> None:
    queries, log = tmp_path / "queries.txt", tmp_path / "log.db"
    queries.write_text("3 + 3?\n4 + 4?\n", encoding="utf-8")
    run(
        "batch", "--input", queries, "--output", tmp_path / "answers.jsonl", "--models", models,
        "--router", sums_router, "--log", log, "--judge", "metric", "--explore", "thompson:1",
    )  # fmt: skip
    with RoutingLog(log) as opened:
        entries, judgements = list(opened.scan()), list(opened.judgements())
    assert len(entries) == len(judgements) == 2
    assert all(0 < entry.propensity < 1 for entry in entries)
    assert {judgement.judge for judgement in judgements} == {"metric"}
