"""`fusion-agents distill run`: a plan from its log to a student in the pool."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fusion_agents.cli.app import app
from fusion_agents.pool.pool import Pool
from tests.graphs.test_model_level import BASE, KEY, World


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("LOOPBACK_KEY", KEY)
    made = World(tmp_path)
    with made.server:
        (tmp_path / "plan.toml").write_text(
            f"""
            log = "{tmp_path}/routing.db"
            base = "{BASE}"
            out = "{tmp_path}/out"
            name = "pupil"
            provider = "openai"
            models = "{tmp_path}/models.toml"
            [selection]
            k = 1
            [job]
            base_url = "{made.server.base_url}"
            api_key_env = "LOOPBACK_KEY"
            poll = 0.005
            """
        )
        yield made


def run(world: World, *more: str, says: str | None = None):
    return CliRunner().invoke(
        app, ["distill", "run", str(world.folder / "plan.toml"), *more], input=says
    )


def test_a_plan_is_estimated_without_spending_anything(world: World) -> None:
    done = run(world, "--dry-run")
    assert done.exit_code == 0, done.output
    assert "price that is not known" in done.output
    assert world.server.hits == 0


def test_somebody_is_asked_and_may_say_no(world: World) -> None:
    done = run(world, says="n\n")
    assert done.exit_code == 1
    assert world.server.hits == 0


def test_a_plan_ends_with_a_student_in_the_pool_and_is_done_once(world: World) -> None:
    first = run(world, says="y\n")
    assert first.exit_code == 0, first.output
    assert "routers decide where it answers" in first.output
    assert "helped" in first.output
    assert "pupil" in Pool.from_toml(world.folder / "models.toml").models
    assert KEY not in first.output
    hits, compared = world.server.hits, (world.folder / "out/student/comparison.json").read_text()

    second = run(world, "--yes")
    assert second.exit_code == 0, second.output
    assert world.server.hits == hits
    again = json.loads((world.folder / "out/student/comparison.json").read_text())
    assert again["overall"] == json.loads(compared)["overall"]
    assert len(world.server.tuning.jobs) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("log = 1", "log: input should be a valid string"),
        ("log = 'a'\nbase = 'b'\nout = 'c'\nepoch = 2", "epoch: extra inputs"),
        ("log = 'a", "not valid TOML"),
    ],
)
def test_a_plan_that_is_none_is_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "plan.toml").write_text(text)
    done = CliRunner().invoke(app, ["distill", "run", str(tmp_path / "plan.toml")])
    assert done.exit_code == 2
    assert message in " ".join(done.output.split())
