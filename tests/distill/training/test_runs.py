import os
from pathlib import Path

import pytest

from fusion_agents.distill.training.checkpoints import seal
from fusion_agents.distill.training.options import TrainingOptions
from fusion_agents.distill.training.runs import Run, agree, sole
from fusion_agents.errors import ConfigError, DataError


def run(**changed: object) -> Run:
    given = {
        "name": "student",
        "data": "d1",
        "examples": "e1",
        "n_examples": 40,
        "base": "/models/base",
        "base_fingerprint": "f1",
        "options": TrainingOptions().learning(),
    }
    return Run.model_validate({**given, **changed})


def learn(out: Path) -> None:
    folder = out / "checkpoints" / "checkpoint-1"
    folder.mkdir(parents=True)
    seal(folder, 1.0, ended=False)


def test_the_same_training_goes_on(tmp_path: Path) -> None:
    agree(tmp_path, run())
    learn(tmp_path)
    agree(tmp_path, run())


def test_as_long_as_nothing_was_learned_a_mistake_can_be_put_right(tmp_path: Path) -> None:
    agree(tmp_path, run(base="/models/baes"))
    agree(tmp_path, run())
    learn(tmp_path)
    agree(tmp_path, run())


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"base": "/models/other"}, 'base was "/models/base" and is "/models/other"'),
        ({"data": "d2"}, "the data are others"),
        ({"base_fingerprint": "f2"}, "the base's files have changed"),
        ({"options": TrainingOptions(rank=4).learning()}, "rank was 8 and is 4"),
        ({"options": TrainingOptions(seed=1).learning()}, "seed was 0 and is 1"),
    ],
)
def test_another_training_is_refused_with_what_differs(
    tmp_path: Path, changed: dict[str, object], said: str
) -> None:
    agree(tmp_path, run())
    learn(tmp_path)

    with pytest.raises(ConfigError, match=said):
        agree(tmp_path, run(**changed))


def test_options_that_do_not_change_the_student_may_change(tmp_path: Path) -> None:
    agree(tmp_path, run())
    learn(tmp_path)
    other = TrainingOptions(save_steps=7, threads=2, merge=True)
    agree(tmp_path, run(options=other.learning()))


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()

    with pytest.raises(ConfigError, match=r"not empty \(thesis.tex\)"):
        agree(tmp_path, run())
    assert [one.name for one in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_damaged_note_is_named(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    learn(tmp_path)

    with pytest.raises(DataError, match=r"run\.json: not a note of a training"):
        agree(tmp_path, run())


def test_a_second_process_is_refused_and_told_who_holds_the_folder(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with sole(out):
        held = f"in use: process {os.getpid()} on .* trains there"
        with pytest.raises(ConfigError, match=held), sole(out):
            pass
        assert out.stat().st_mode & 0o777 == 0o700
    with sole(out):  # whoever held it let go of it
        pass
    assert list(out.iterdir()) == []
