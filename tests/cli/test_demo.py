from pathlib import Path

import pytest

from fusion_agents.evaluation import Evaluation
from fusion_agents.routers.artefact import load_router
from fusion_agents.stores.routing_log import RoutingLog
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
