import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fusion_agents.errors import ConfigError
from fusion_agents.refreshing import Gate, Refresher, Versions, refresh
from fusion_agents.routers.base import Router
from fusion_agents.stores.routing_log import RoutingLog
from tests.refreshing.logs import START, entries, filled

LENIENT = Gate(margin=1.0)


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_router_is_refreshed_when_the_log_has_grown_enough(tmp_path: Path) -> None:
    used: list[Router] = []
    versions = Versions(tmp_path / "router")
    with RoutingLog(tmp_path / "log.db") as log:
        refresher = Refresher(
            versions, used.append, log=log, router="best", every=150, gate=LENIENT
        )
        assert not refresher.look()
        filled(log)
        assert refresher.look()
        log.append(entries(START, range(100, 120)))
        assert not refresher.look()
        log.append(entries(START, range(120, 160)))
        assert refresher.look()
    assert [router.version for router in used] == [v.router for v in versions.history.versions]
    assert refresher.last_report.verdict == "promoted"


def test_a_router_is_refreshed_when_time_has_passed_and_the_log_has_grown(tmp_path: Path) -> None:
    used: list[Router] = []
    versions = Versions(tmp_path / "router")
    with RoutingLog(tmp_path / "log.db") as log:
        refresher = Refresher(
            versions, used.append, log=log, router="best", every=10**6, seconds=0.01, gate=LENIENT
        )
        time.sleep(0.02)
        assert not refresher.look()
        filled(log)
        assert refresher.look()


def test_a_follower_takes_what_another_process_promoted_or_rolled_back(tmp_path: Path) -> None:
    used: list[Router] = []
    versions = Versions(tmp_path / "router")
    with RoutingLog(tmp_path / "log.db") as log, Refresher(versions, used.append, poll=0.01):
        refresh(filled(log), tmp_path / "router", "best")
        wait_for(lambda: len(used) == 1)
        log.append(entries(START, range(100, 160)))
        refresh(log, tmp_path / "router", "best", gate=LENIENT)
        wait_for(lambda: len(used) == 2)
        versions.rollback()
        wait_for(lambda: len(used) == 3)
    assert used[0].version == used[2].version != used[1].version


def test_a_refresh_that_fails_leaves_the_router_and_is_tried_again(tmp_path: Path) -> None:
    used: list[Router] = []
    versions = Versions(tmp_path / "router")
    versions.folder.mkdir()
    pointer = versions.folder / "versions.json"
    with RoutingLog(tmp_path / "log.db") as log:
        refresher = Refresher(
            versions, used.append, log=filled(log), router="best", every=1, poll=0.01
        )
        pointer.write_text("damaged")
        with refresher:
            wait_for(lambda: refresher.last_error)
            pointer.unlink()
            log.append(entries(START, range(100, 160)))
            wait_for(lambda: used)
    assert refresher.last_error is None


@pytest.mark.parametrize("numbers", [{"every": 0}, {"poll": 0}, {"seconds": -1}])
def test_numbers_out_of_range_are_refused(tmp_path: Path, numbers: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="above 0"):
        Refresher(Versions(tmp_path), print, **numbers)
