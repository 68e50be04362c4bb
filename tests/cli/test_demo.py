from pathlib import Path

import pytest

from fusion_agents.evaluation import Evaluation
from fusion_agents.routers.artefact import load_router
from fusion_agents.stores.opening import open_log
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.types import Arm, Judgement, LogEntry, Query
from tests.cli.conftest import Run


@pytest.fixture
def done(run: Run, tmp_path: Path) -> tuple[str, Path]:
    result = run(
        "demo", "--out", tmp_path / "demo", "--questions", 480, "--svg", tmp_path / "demo.svg"
    )
    return result.stdout, tmp_path


def test_the_demo_goes_the_whole_way_and_says_that_its_models_are_simulated(
    done: tuple[str, Path],
) -> None:
    shown, folder = done
    made = folder / "demo"
    assert "SIMULATED" in shown
    with RoutingLog(made / "routing.db") as log:
        assert log.count() == 4_800
    evaluation = Evaluation.model_validate_json((made / "evaluation.json").read_text())
    assert evaluation.verdict.router == "auto"
    assert evaluation.verdict.text.split()[0] in shown
    auto, best = evaluation.row("auto"), evaluation.row("best")
    assert auto.performance is not None
    assert best.performance is not None
    assert auto.performance > best.performance
    assert (made / "report.html").read_text().startswith("<!doctype html>")
    assert load_router(made / "router").fitted.n_queries == 480
    assert "12 new queries, routed" in shown
    assert "why 1:" in shown
    picture = (folder / "demo.svg").read_text()
    assert "src:" not in picture
    assert "url(http" not in picture


def test_the_demo_runs_on_a_real_log(run: Run, log_file: Path, tmp_path: Path) -> None:
    result = run("demo", "--log", log_file, "--out", tmp_path, "--exclude-arms", "sim-frontier")
    assert "SIMULATED" not in result.stdout
    assert "12 new queries, routed" in result.stdout
    assert "sim-frontier" not in result.stdout
    assert load_router(tmp_path / "router").fitted.n_queries == 138
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "evaluation.json",
        "report.html",
        "router",
    ]


def test_what_the_demo_makes_is_kept_and_named(run: Run, log_file: Path) -> None:
    result = run("demo", "--log", log_file)
    folder = Path(result.stderr.split("made in ")[1].split(":\n")[0])
    assert (folder / "report.html").exists()


def test_a_second_demo_in_the_same_folder_starts_anew(run: Run, tmp_path: Path) -> None:
    for seed in (0, 1):
        run("demo", "--out", tmp_path, "--questions", 60, "--seed", seed)
    with RoutingLog(tmp_path / "routing.db") as log:
        assert log.count() == 600


def test_a_database_that_is_not_the_demos_is_left_alone(run: Run, tmp_path: Path) -> None:
    mine = LogEntry(query=Query(text="2 + 2?"), arm=Arm(model="m"), performance=1, source="mine")
    with RoutingLog(tmp_path / "routing.db") as log:
        log.append([mine])
    assert "'mine'" in run("demo", "--out", tmp_path, "--questions", 60, code=2).stderr
    with RoutingLog(tmp_path / "routing.db") as log:
        assert list(log.scan()) == [mine]


def test_a_log_with_judge_scores_alone_is_shown_under_the_judge(
    run: Run, log_file: Path, tmp_path: Path
) -> None:
    with open_log(log_file) as log:
        entries = [entry.model_copy(update={"performance": None}) for entry in log.scan()]
        scores = [entry.performance for entry in log.scan()]
    with RoutingLog(tmp_path / "judged.db") as judged:
        judged.append(entries)
        judged.append_judgements(
            Judgement(entry_key=entry.key, judge="j", score=score)
            for entry, score in zip(entries, scores, strict=True)
            if score is not None
        )
    result = run("demo", "--log", tmp_path / "judged.db", "--out", tmp_path / "demo")
    assert "the log has no performance" in result.stderr
    made = (tmp_path / "demo" / "evaluation.json").read_text()
    assert Evaluation.model_validate_json(made).objective == "judge"


def test_the_demo_takes_an_objective(run: Run, log_file: Path, tmp_path: Path) -> None:
    run("demo", "--log", log_file, "--out", tmp_path, "--objective", "balance")
    made = (tmp_path / "evaluation.json").read_text()
    assert Evaluation.model_validate_json(made).objective == "balance"
