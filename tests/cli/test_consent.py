"""`consent`: whose entries may train a student."""

import shutil
from pathlib import Path

import pytest

from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.types import Arm, LogEntry, Query
from tests.cli.conftest import Run


@pytest.fixture
def database(tmp_path: Path, database: Path) -> Path:
    """A copy with entries of another tenant besides."""
    path = tmp_path / "routing.db"
    shutil.copy(database, path)
    with RoutingLog(path) as log:
        log.append(
            LogEntry(query=Query(text=f"zebra {i}?"), arm=Arm(model="small"), tenant="acme")
            for i in range(3)
        )
    return path


def rows(shown: str) -> dict[tuple[str, str], list[str]]:
    lines = [[cell.strip() for cell in line.split("│")[1:-1]] for line in shown.splitlines()]
    return {(cells[0], cells[1]): cells[2:] for cells in lines if len(cells) == 5}


def test_whose_entries_may_train_is_shown_and_said(run: Run, database: Path) -> None:
    shown = rows(run("consent", "--log", database).stdout)
    assert shown["tenant", "default"] == ["", "yes", "1,500"]
    assert shown["tenant", "acme"] == ["", "no: tenant without consent", "3"]
    assert shown["source", "local"] == ["", "if its tenant may", "3"]

    said = run("consent", "--log", database, "--tenant", "acme", "--allow").stderr
    assert "tenant 'acme': may train students" in said
    run("consent", "--log", database, "--source", "app", "--source", "web", "--refuse")

    shown = rows(run("consent", "--log", database).stdout)
    assert shown["tenant", "acme"] == ["allowed", "yes", "3"]
    assert shown["source", "app"] == ["refused", "no: source refused", "0"]
    assert shown["source", "web"] == ["refused", "no: source refused", "0"]


@pytest.mark.parametrize(
    "options", [["--tenant", "acme"], ["--allow"], ["--source", "", "--allow"]]
)
def test_half_a_sentence_is_refused_and_nothing_is_said(
    run: Run, database: Path, options: list[str]
) -> None:
    assert "error: " in run("consent", "--log", database, *options, code=2).stderr
    with RoutingLog(database, read_only=True) as log:
        assert log.consents() == {}
