import json
from collections.abc import Callable
from pathlib import Path

import pytest

from fusion_agents.distill.training.checkpoints import last_whole, seal


def checkpoint(folder: Path, step: int, *, sealed: bool = True, ended: bool = False) -> Path:
    made = folder / f"checkpoint-{step}"
    made.mkdir(parents=True)
    (made / "adapter_model.safetensors").write_bytes(b"weights" * step)
    (made / "trainer_state.json").write_text(json.dumps({"best_model_checkpoint": None}))
    (made / "training_args.bin").write_bytes(b"a pickle")
    if sealed:
        seal(made, seconds=step * 2.0, ended=ended)
    return made


def test_the_newest_whole_checkpoint_is_taken_by_its_number(tmp_path: Path) -> None:
    for step in (9, 10, 8):
        checkpoint(tmp_path, step)

    found, torn = last_whole(tmp_path)

    assert found is not None
    assert (found.step, found.seconds, found.ended, torn) == (10, 20.0, False, [])


def cut(folder: Path) -> None:
    file = folder / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:-1])


def lose(folder: Path) -> None:
    (folder / "adapter_model.safetensors").unlink()


def change(folder: Path) -> None:
    file = folder / "adapter_model.safetensors"
    file.write_bytes(b"W" + file.read_bytes()[1:])


def add(folder: Path) -> None:
    (folder / "adapter_model.bin").write_bytes(b"a pickle")


def break_seal(folder: Path) -> None:
    (folder / "sealed.json").write_text('{"files": ')


@pytest.mark.parametrize("damage", [cut, lose, change, add, break_seal])
def test_a_damaged_checkpoint_is_removed_and_an_earlier_one_taken(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    checkpoint(tmp_path, 1)
    damage(checkpoint(tmp_path, 2))

    found, torn = last_whole(tmp_path)

    assert found is not None
    assert (found.step, torn) == (1, ["checkpoint-2"])
    assert not (tmp_path / "checkpoint-2").exists()


def test_a_checkpoint_without_a_seal_was_not_written_to_its_end(tmp_path: Path) -> None:
    checkpoint(tmp_path, 3, sealed=False)

    assert last_whole(tmp_path) == (None, ["checkpoint-3"])


def test_without_a_folder_training_begins_anew(tmp_path: Path) -> None:
    assert last_whole(tmp_path / "none") == (None, [])


def test_what_is_no_checkpoint_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    checkpoint(tmp_path / "elsewhere", 5)
    (tmp_path / "checkpoint-5").symlink_to(tmp_path / "elsewhere" / "checkpoint-5")

    assert last_whole(tmp_path) == (None, [])
    assert (tmp_path / "notes").exists()


def test_sealing_removes_the_pickle_that_nobody_reads(tmp_path: Path) -> None:
    assert not (checkpoint(tmp_path, 1) / "training_args.bin").exists()


def test_the_weights_are_those_of_the_lowest_loss_where_it_was_looked_for(tmp_path: Path) -> None:
    best, last = checkpoint(tmp_path, 1), checkpoint(tmp_path, 2, sealed=False)
    state = {"best_model_checkpoint": f"/moved/since/{best.name}"}
    (last / "trainer_state.json").write_text(json.dumps(state))
    seal(last, 1.0, ended=True)

    found, _ = last_whole(tmp_path)

    assert found is not None
    assert found.ended
    assert found.weights() == best
