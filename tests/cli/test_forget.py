"""`forget` and `log trust`: who is learned from, and who is not any more."""

import shutil
from pathlib import Path

import pytest

from fusion_agents.refreshing.versions import Versions
from fusion_agents.routers.artefact import load_router
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.types import Arm, Judgement, LogEntry, Query
from tests.cli.conftest import Run


@pytest.fixture
def database(tmp_path: Path, database: Path) -> Path:
    """A copy with entries of an app besides."""
    path = tmp_path / "routing.db"
    shutil.copy(database, path)
    with RoutingLog(path) as log:
        added = [
            LogEntry(
                query=Query(text=f"planted-word-{i} zebra?"),
                arm=Arm(model="sim-tiny"),
                performance=1.0,
                response="planted-answer",
                source="app",
            )
            for i in range(30)
        ]
        log.append(added)
        log.append_judgements(
            Judgement(entry_key=one.key, score=1.0, judge="feedback", source="user")
            for one in added[:20]
        )
    return path


def holds(folder: Path, text: str) -> bool:
    return any(text.encode() in p.read_bytes() for p in folder.rglob("*") if p.is_file())


def test_what_would_go_is_shown_and_nothing_is_done_without_a_yes(run: Run, database: Path) -> None:
    before = database.read_bytes()

    shown = run("forget", "--log", database, "--source", "app", "--dry-run").stdout
    refused = run("forget", "--log", database, "--source", "app", code=1)

    assert [line.split()[:4] for line in shown.splitlines() if "source app" in line] == [
        ["│", "source", "app", "│"]
    ]
    assert " 30 " in shown
    assert "for good?" in refused.stderr
    assert database.read_bytes() == before


def test_a_source_is_forgotten_in_the_log_and_in_the_router(
    run: Run, database: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "router"
    run("fit", "--log", database, "--router", "knn:k=7", "--out", folder)
    assert holds(folder, "zebra")

    said = run("forget", "--log", database, "--source", "app", "--router", folder, "--yes").stderr

    assert "deleted 30 entries, 20 judgements, 30 queries from routing.db" in said.replace("\n", "")
    assert "learned from 150 queries" in said
    assert not holds(tmp_path, "planted-")
    assert not holds(folder, "zebra")
    assert load_router(folder).fitted.n_queries == 150
    assert "k=7" in repr(load_router(folder))
    again = run("forget", "--log", database, "--source", "app").stderr
    assert "deleted nothing more" in again


def test_all_versions_of_a_router_but_a_new_one_go(
    run: Run, database: Path, tmp_path: Path
) -> None:
    run("fit", "--log", database, "--router", "knn", "--out", tmp_path / "router")
    versions = Versions(tmp_path / "versions")
    for _ in range(2):
        versions.add(load_router(tmp_path / "router"), "chosen", "a test")

    run("forget", "--log", database, "--source", "app", "--router", versions.folder, "--yes")

    (left,) = versions.history.versions
    assert (left.name, left.n_queries, left.parent) == ("000003", 150, None)
    assert versions.current == left
    assert sorted(p.name for p in versions.folder.iterdir() if p.is_dir()) == ["000003"]
    assert not holds(versions.folder, "zebra")


@pytest.mark.parametrize("options", [[], ["--source", "app", "--router", "nowhere"]])
def test_what_cannot_be_done_is_said_before_anything_is_deleted(
    run: Run, database: Path, options: list[str]
) -> None:
    before = database.read_bytes()

    said = run("forget", "--log", database, *options, "--yes", code=2).stderr

    assert ("say what to forget" if not options else "nothing is forgotten yet") in said
    assert database.read_bytes() == before


def test_trust_is_shown_and_set(run: Run, database: Path, tmp_path: Path) -> None:
    shown = run("log", "trust", "--log", database).stdout
    assert [
        [cell.strip() for cell in line.split("│")[1:-1]]
        for line in shown.splitlines()
        if "user" in line
    ] == [["source", "user", "judgements", "limited", "20", "0"]]

    run("log", "trust", "--log", database, "--source", "app", "--level", "suspended")
    said = run("fit", "--log", database, "--router", "knn", "--out", tmp_path / "r").stderr

    assert "source 'app' is suspended: its entries do not count" in said
    assert "learned from 150 queries" in said


@pytest.mark.parametrize(
    "options",
    [["--source", "a"], ["--level", "trusted"], ["--source", "a", "--level", "fine"]],
)
def test_a_level_needs_a_name_and_must_exist(run: Run, database: Path, options: list[str]) -> None:
    assert "error: " in run("log", "trust", "--log", database, *options, code=2).stderr
