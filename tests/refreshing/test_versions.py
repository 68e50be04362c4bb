import json
import multiprocessing
import os
import shutil
import signal
import stat
import time
from pathlib import Path

import numpy as np
import pytest

from fusion_agents.encoders.lexical import LexicalEncoder
from fusion_agents.errors import ArtefactError, ConfigError
from fusion_agents.refreshing.versions import Versions
from fusion_agents.routers.artefact import load_router, save_router
from fusion_agents.routers.base import Router
from fusion_agents.routers.knn import KNNRouter
from tests.refreshing.logs import START

ENCODER = LexicalEncoder(n_components=8, n_words=100, n_chars=100)
OLD, NEW = (KNNRouter(k=10, encoder=ENCODER).fit(START.take(np.arange(n))) for n in (80, 160))


@pytest.fixture
def versions(tmp_path: Path) -> Versions:
    versions = Versions(tmp_path / "router")
    versions.add(OLD, "first", "the first version")
    return versions


def decisions(router: Router) -> bytes:
    decided = router.decide(START.queries)
    return decided.order.tobytes() + decided.utilities.tobytes()


def test_a_folder_of_versions_loads_as_its_current_router(versions: Versions) -> None:
    versions.add(NEW, "promoted", "not worse", beside="000001")
    assert decisions(load_router(versions.folder)) == decisions(NEW)
    assert decisions(versions.router("000001")) == decisions(OLD)


def test_a_rejected_router_is_kept_and_not_used(versions: Versions) -> None:
    version = versions.add(NEW, "rejected", "worse")
    assert decisions(load_router(versions.folder)) == decisions(OLD)
    assert decisions(versions.router(version.name)) == decisions(NEW)
    assert versions.current == versions.history.versions[0]


def test_a_rollback_gives_the_same_decisions_byte_for_byte_at_once(versions: Versions) -> None:
    before = decisions(load_router(versions.folder))
    versions.add(NEW, "promoted", "not worse", beside="000001")
    start = time.monotonic()
    assert versions.rollback().name == "000001"
    assert time.monotonic() - start < 2
    assert decisions(load_router(versions.folder)) == before


def test_after_a_rollback_nothing_is_promoted_until_it_is_released(versions: Versions) -> None:
    versions.add(NEW, "promoted", "not worse", beside="000001")
    versions.rollback()
    assert versions.add(NEW, "promoted", "not worse", beside="000001").verdict == "held"
    assert versions.current.name == "000001"
    versions.release()
    assert versions.add(NEW, "promoted", "not worse", beside="000001").verdict == "promoted"


def test_a_second_rollback_goes_further_back_and_the_first_version_stays(
    versions: Versions,
) -> None:
    versions.add(NEW, "promoted", "", beside="000001")
    versions.add(OLD, "promoted", "", beside="000002")
    assert [versions.rollback().name, versions.rollback().name] == ["000002", "000001"]
    with pytest.raises(ConfigError, match="was the first"):
        versions.rollback()
    assert versions.rollback("000003").name == "000003"


def test_a_rollback_to_a_damaged_version_changes_nothing(versions: Versions) -> None:
    versions.add(NEW, "promoted", "", beside="000001")
    (versions.folder / "000001" / "manifest.json").write_text("{}")
    with pytest.raises(ArtefactError):
        versions.rollback()
    assert versions.current.name == "000002"


def test_a_challenger_of_a_version_that_was_replaced_meanwhile_is_not_promoted(
    versions: Versions,
) -> None:
    versions.add(NEW, "promoted", "", beside="000001")
    late = versions.add(OLD, "promoted", "", beside="000001")
    assert late.verdict == "rejected"
    assert "took over meanwhile" in late.reason


def test_old_versions_are_removed_but_not_the_current_one_nor_the_way_back(
    tmp_path: Path,
) -> None:
    versions = Versions(tmp_path / "router", keep=3)
    versions.add(OLD, "first", "")
    versions.add(NEW, "promoted", "", beside="000001")
    for _ in range(5):
        versions.add(OLD, "rejected", "")
    assert [v.name for v in versions.history.versions] == ["000001", "000002", "000007"]
    folders = sorted(path.name for path in versions.folder.iterdir() if path.is_dir())
    assert folders == ["000001", "000002", "000007"]


def test_only_the_owner_reads_versions(versions: Versions) -> None:
    for path in [versions.folder, *versions.folder.rglob("*")]:
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), path


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"format": 1, "current": "../000001"}', '{"format": 1, "current": 1}'],
)
def test_a_damaged_pointer_is_refused(versions: Versions, content: str) -> None:
    (versions.folder / "versions.json").write_text(content)
    with pytest.raises(ArtefactError, match="damaged"):
        load_router(versions.folder)


def test_a_folder_of_a_newer_version_is_left_alone(versions: Versions) -> None:
    path = versions.folder / "versions.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 2}))
    with pytest.raises(ArtefactError, match="format 2"):
        versions.add(NEW, "promoted", "")


def test_unknown_versions_are_named(versions: Versions) -> None:
    with pytest.raises(ConfigError, match="no version '000009'; kept are 000001"):
        versions.rollback("000009")


def _add_for_ever(folder: Path) -> None:
    versions = Versions(folder, keep=3)
    while True:
        current = versions.current
        versions.add(NEW, "promoted", "", beside=current.name if current else None)


def test_a_writer_that_is_killed_leaves_a_router_that_loads(versions: Versions) -> None:
    context = multiprocessing.get_context("fork")
    for delay in (0.02, 0.06, 0.11, 0.17):
        writer = context.Process(target=_add_for_ever, args=(versions.folder,))
        writer.start()
        time.sleep(delay)
        os.kill(writer.pid, signal.SIGKILL)
        writer.join()
        load_router(versions.folder)
    version = versions.add(OLD, "promoted", "", beside=versions.current.name)
    assert decisions(load_router(versions.folder)) == decisions(OLD)
    names = {v.name for v in versions.history.versions}
    assert {p.name for p in versions.folder.iterdir() if p.is_dir()} == names
    assert version.name == max(names)


def _add_some(folder: Path) -> None:
    for _ in range(3):
        Versions(folder).add(NEW, "rejected", "")


def test_two_processes_add_versions_without_losing_one(versions: Versions) -> None:
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_add_some, args=(versions.folder,)) for _ in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [v.name for v in versions.history.versions] == [f"{i:06d}" for i in range(1, 8)]


def test_a_folder_that_was_there_before_keeps_what_is_in_it(tmp_path: Path) -> None:
    for name in ("202401", "000001"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "sales.csv").write_text("mine")
    (tmp_path / "000002").write_text("mine, too")
    save_router(OLD, tmp_path / "202402")
    versions = Versions(tmp_path)
    assert versions.add(NEW, "first", "the first version").name == "000003"
    assert (tmp_path / "000001" / "sales.csv").read_text() == "mine"
    assert (tmp_path / "202401" / "sales.csv").read_text() == "mine"
    assert decisions(load_router(tmp_path / "202402")) == decisions(OLD)


def test_a_version_that_a_killed_process_left_behind_is_replaced(versions: Versions) -> None:
    save_router(NEW, versions.folder / "000002")
    assert versions.add(OLD, "chosen", "by hand").name == "000002"
    assert decisions(load_router(versions.folder)) == decisions(OLD)


def test_a_folder_that_is_not_there_is_not_made_to_go_back(tmp_path: Path) -> None:
    versions = Versions(tmp_path / "typo")
    with pytest.raises(ConfigError, match="no version yet"):
        versions.rollback()
    versions.release()
    assert not versions.folder.exists()


def test_a_restart_does_without_what_somebody_has_removed(versions: Versions) -> None:
    shutil.rmtree(versions.folder / "000001")
    assert versions.restart(NEW, "learned again").name == "000002"
    assert [version.name for version in versions.history.versions] == ["000002"]


def test_of_two_first_versions_the_second_does_not_take_over_unseen(versions: Versions) -> None:
    version = versions.add(NEW, "first", "the first version")
    assert (version.verdict, version.reason) == ("rejected", "version 000001 took over meanwhile")
    assert decisions(load_router(versions.folder)) == decisions(OLD)


def test_a_restart_removes_what_was_saved_in_the_folder_itself(tmp_path: Path) -> None:
    save_router(OLD, tmp_path)
    versions = Versions(tmp_path)
    versions.add(OLD, "first", "the first version")
    versions.restart(NEW, "learned again")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000002", "versions.json"]
    assert decisions(load_router(tmp_path)) == decisions(NEW)


def test_a_file_in_place_of_the_folder_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "router").write_text("mine")
    with pytest.raises(ConfigError, match="router is a file"):
        Versions(tmp_path / "router").add(OLD, "first", "the first version")
    assert (tmp_path / "router").read_text() == "mine"
