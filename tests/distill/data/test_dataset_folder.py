"""The folder is replaced at once, and nothing but training data is ever replaced."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fusion_agents.distill.data.dataset import read_dataset, write_dataset
from fusion_agents.errors import ConfigError, DataError
from fusion_agents.file_lock import locked
from tests.distill.data.training_data import data

posix = pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX's")


@posix
def test_only_the_user_may_read_it(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o755)
    write_dataset(data(), folder, formats=("trl", "alpaca"))
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def test_later_data_take_the_place_of_earlier_ones(tmp_path: Path) -> None:
    write_dataset(data(), tmp_path / "data", formats=("trl", "alpaca", "sharegpt"))
    later = write_dataset(data(5), tmp_path / "data", formats=("trl",))
    assert read_dataset(tmp_path / "data").manifest == later
    names = {path.name for path in (tmp_path / "data").iterdir()}
    assert names == {"manifest.json", "examples.jsonl", "pairs.jsonl", "trl.jsonl"}
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_the_same_data_touch_no_file(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    write_dataset(data(), folder)
    before = {path.name: path.stat().st_ino for path in (folder, *folder.iterdir())}
    write_dataset(data(), folder)
    assert {path.name: path.stat().st_ino for path in (folder, *folder.iterdir())} == before


@pytest.mark.parametrize("with_data", [True, False])
def test_a_folder_with_other_files_is_left_alone(tmp_path: Path, with_data: bool) -> None:
    folder = tmp_path / "data"
    if with_data:
        write_dataset(data(), folder)
    folder.mkdir(exist_ok=True)
    (folder / "thesis.txt").write_text("mine")
    with pytest.raises(ConfigError, match=r"holds other files \(thesis.txt\)"):
        write_dataset(data(5), folder)
    assert (folder / "thesis.txt").read_text() == "mine"


def test_a_manifest_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "manifest.json").write_text('{"name": "an app"}')
    with pytest.raises(ConfigError, match=r"holds other files \(manifest.json\)"):
        write_dataset(data(), tmp_path / "data")


def test_a_file_in_its_place_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("mine")
    with pytest.raises(ConfigError, match="it is a file"):
        write_dataset(data(), tmp_path / "data")
    assert (tmp_path / "data").read_text() == "mine"


def test_two_writers_do_not_mix(tmp_path: Path) -> None:
    with locked(tmp_path / "data"), pytest.raises(ConfigError, match="another process is writing"):
        write_dataset(data(), tmp_path / "data")


def test_a_link_to_a_folder_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "data").symlink_to(tmp_path / "elsewhere")
    manifest = write_dataset(data(), tmp_path / "data")
    assert (tmp_path / "data").is_symlink()
    assert read_dataset(tmp_path / "elsewhere").manifest == manifest


KILLED = """
import os, sys
from pathlib import Path

from fusion_agents.distill.data.dataset import write_dataset
from tests.distill.data.training_data import data

left = None

def stop(event, args):
    global left
    if left is None or event not in ("open", "os.rename", "os.mkdir", "os.remove", "os.rmdir"):
        return
    left -= 1
    if left < 0:
        os._exit(9)

sys.addaudithook(stop)
root = Path(sys.argv[1])
write_dataset(data(7), root.parent / "first")  # so that nothing is left to be imported
for step in range(200):
    place = root / str(step)
    place.mkdir()
    if sys.argv[2] == "True":
        write_dataset(data(7), place / "data")
    child = os.fork()
    if not child:
        left = step
        write_dataset(data(5), place / "data")
        os._exit(0)
    if os.waitpid(child, 0)[1] == 0:
        break
"""
"""Ends a writer at its first file operation, then another at its second, until one gets through."""


@posix
@pytest.mark.parametrize("existing", [True, False])
def test_a_writer_killed_at_any_step_leaves_the_old_data_or_the_new(
    tmp_path: Path, existing: bool
) -> None:
    new = write_dataset(data(5), tmp_path / "new").fingerprint
    old = write_dataset(data(7), tmp_path / "old").fingerprint if existing else None
    places = tmp_path / "places"
    places.mkdir()
    subprocess.run(
        [sys.executable, "-c", KILLED, str(places), str(existing)],
        cwd=Path(__file__).parents[3],
        check=True,
    )
    found = [
        fingerprint(places / str(step) / "data") for step in range(len(list(places.iterdir())))
    ]
    assert len(found) > 10
    assert found == [old] * found.count(old) + [new] * found.count(new)
    assert found.count(old) > 5
    assert found[-1] == new
    for place in places.iterdir():
        assert write_dataset(data(5), place / "data").fingerprint == new
        assert [path.name for path in place.iterdir()] == ["data"]


def fingerprint(folder: Path) -> str | None:
    try:
        return read_dataset(folder).manifest.fingerprint
    except DataError:
        assert not folder.exists()
        return None
