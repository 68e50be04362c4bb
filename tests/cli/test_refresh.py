from pathlib import Path

import pytest

from fusion_agents.stores.routing_log import RoutingLog
from tests.cli.conftest import Run
from tests.refreshing.logs import START, entries, filled


@pytest.fixture
def log(tmp_path: Path) -> Path:
    with RoutingLog(tmp_path / "log.db") as log:
        filled(log)
    return tmp_path / "log.db"


def test_a_router_is_refreshed_used_and_rolled_back(run: Run, log: Path, tmp_path: Path) -> None:
    folder = tmp_path / "router"
    arguments = ("refresh", "--log", log, "--router-dir", folder, "--router")
    first = run(*arguments, "best")
    assert "first: the first version" in first.stderr
    assert "nothing new in the log" in run(*arguments, "best").stderr

    with RoutingLog(log) as opened:
        opened.append(entries(START, range(100, 160)))
    second = run(*arguments, "knn:k=20")
    assert "promoted: not worse than the current version" in second.stderr
    assert "never learned from" in second.stderr
    assert "drift: none found" in second.stderr
    assert "knn" in run("route", "--router", folder, "What is 2 + 2?", "--json").stdout

    back = run("rollback", "--router-dir", folder)
    assert "version 000001 is current again: best-" in back.stderr
    assert "refresh --release" in back.stderr
    again = run("rollback", "--router-dir", folder, "--to", 2)
    assert "version 000002 is current again" in again.stderr


def test_a_check_writes_nothing(run: Run, log: Path, tmp_path: Path) -> None:
    before = log.read_bytes()
    result = run(
        "refresh", "--log", log, "--router-dir", tmp_path / "r", "--router", "best", "--check"
    )
    assert "would be first" in result.stderr
    assert not (tmp_path / "r").exists()
    both = run(
        "refresh", "--log", log, "--router-dir", tmp_path / "r", "--check", "--release", code=2
    )
    assert "give one of them" in both.stderr
    assert not (tmp_path / "r").exists()
    assert log.read_bytes() == before


def test_what_cannot_be_done_is_said_in_a_line(run: Run, tmp_path: Path) -> None:
    RoutingLog(tmp_path / "empty.db").close()
    empty = run("refresh", "--log", tmp_path / "empty.db", "--router-dir", tmp_path / "r", code=2)
    assert "nothing to learn from" in empty.stderr
    assert "no version yet" in run("rollback", "--router-dir", tmp_path / "r", code=2).stderr
