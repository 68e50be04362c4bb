"""Real trainings of a tiny model, disturbed in all the ways that a training can be."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl")

import torch
from huggingface_hub.utils import _telemetry
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import LlamaForCausalLM

from fusion_agents.distill.data.dataset import read_dataset, write_dataset
from fusion_agents.distill.nouns import Example, Student
from fusion_agents.distill.training.checkpoints import seal
from fusion_agents.distill.training.estimating import estimate_training
from fusion_agents.distill.training.local import train_student
from fusion_agents.distill.training.options import TrainingOptions
from fusion_agents.distill.training.progress import TrainingProgress, read_progress
from fusion_agents.errors import ConfigError, DataError, EmptyLogError, MissingExtraError
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.types import Arm, LogEntry
from tests.distill.training.conftest import make_base, question, training_data

OPTIONS = TrainingOptions(
    batch=4, accumulation=2, epochs=2, learning_rate=5e-3, dropout=0.1, save_steps=2, eval_share=0.1
)
"""Dropout, so that a lost state of a random generator shows; 10 steps."""


def adapter(out: Path) -> bytes:
    return (out / "adapter" / "adapter_model.safetensors").read_bytes()


class Killed(BaseException):
    """As abrupt as a process in tests allows."""


def kill_when(condition: Callable[[TrainingProgress], bool]) -> Callable[[TrainingProgress], None]:
    def on_progress(progress: TrainingProgress) -> None:
        if condition(progress):
            raise Killed

    return on_progress


def disturbed(data: Path, base: Path, out: Path, step: int) -> None:
    with pytest.raises(Killed):
        train_student(
            data, str(base), out, options=OPTIONS, on_progress=kill_when(lambda p: p.step == step)
        )


@pytest.fixture(scope="module")
def undisturbed(base: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    train_student(data, str(base), out, options=OPTIONS)
    return out


def test_a_training_leaves_a_student_that_learned(
    base: Path, data: Path, undisturbed: Path
) -> None:
    student = Student.model_validate_json((undisturbed / "student.json").read_text())
    rows = read_progress(undisturbed / "progress.jsonl")
    losses = [row.loss for row in rows if row.loss is not None]
    held = [row.eval_loss for row in rows if row.eval_loss is not None]

    assert losses[-1] < losses[0]
    assert held[-1] < held[0]
    assert rows[0].step == 0  # the base's own
    assert rows[-1].step == rows[-1].steps == 10
    assert student.spec == f"student:{undisturbed}"
    assert (student.base, student.base_spec) == (str(base), f"student:{base}")
    assert student.data == read_dataset(data).manifest.fingerprint
    assert (student.n_examples, student.tasks, student.tokens) == (36, ("sums",), rows[-1].tokens)
    assert student.loss == losses[-1]
    assert (undisturbed / "curve.svg").exists()
    config = json.loads((undisturbed / "adapter" / "adapter_config.json").read_text())
    assert sorted(config["target_modules"]) == config["target_modules"]
    layers = {one.rpartition(".")[2] for one in config["target_modules"]}
    attention, mlp = {"q_proj", "k_proj", "v_proj", "o_proj"}, {"gate_proj", "up_proj", "down_proj"}
    assert layers == attention | mlp


def test_tokens_are_counted_as_they_are_estimated(
    base: Path, data: Path, undisturbed: Path
) -> None:
    estimate = estimate_training(data, str(base), OPTIONS, measured=1)

    student = Student.model_validate_json((undisturbed / "student.json").read_text())
    assert estimate.tokens * estimate.epochs == student.tokens
    assert (estimate.n_examples, estimate.n_evaluation, estimate.steps) == (36, 4, 10)
    assert estimate.seconds is not None


def test_a_student_that_is_there_is_returned_as_it_is(
    base: Path, data: Path, undisturbed: Path
) -> None:
    before = {path: path.stat().st_mtime_ns for path in undisturbed.rglob("*") if path.is_file()}

    (student,) = train_student(data, str(base), undisturbed, options=OPTIONS)

    assert student == Student.model_validate_json((undisturbed / "student.json").read_text())
    after = {path: path.stat().st_mtime_ns for path in undisturbed.rglob("*") if path.is_file()}
    assert after == before


def test_the_settings_of_a_student_are_enough_to_train_it_again(
    data: Path, undisturbed: Path, tmp_path: Path
) -> None:
    student = Student.model_validate_json((undisturbed / "student.json").read_text())
    again = TrainingOptions.model_validate(student.settings["options"])

    train_student(data, student.base, tmp_path / "again", name=student.name, options=again)

    assert adapter(tmp_path / "again") == adapter(undisturbed)
    versions = student.settings["versions"]
    assert isinstance(versions, dict)
    assert {"fusion-agents", "torch", "transformers", "peft", "trl"} == set(versions)


_KILLED = """
import os, signal, sys
from pathlib import Path
from fusion_agents.distill.training.local import train_student
from fusion_agents.distill.training.options import TrainingOptions
data, base, out, options, step = sys.argv[1:]
def kill(progress):
    if progress.step == int(step):
        os.kill(os.getpid(), signal.SIGKILL)
options = TrainingOptions.model_validate_json(options)
train_student(Path(data), base, Path(out), options=options, on_progress=kill)
"""


def test_a_killed_process_is_gone_on_with_and_the_student_is_the_same_bit_by_bit(
    base: Path, data: Path, undisturbed: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    given = [str(data), str(base), str(out), OPTIONS.model_dump_json(), "7"]
    killed = subprocess.run([sys.executable, "-c", _KILLED, *given], check=False)
    notes: list[list[str]] = []

    train_student(
        data, str(base), out, options=OPTIONS, on_progress=lambda p: notes.append([*p.notes])
    )

    assert killed.returncode == -signal.SIGKILL
    assert notes[-1] == ["goes on from step 6 of 10"]
    assert adapter(out) == adapter(undisturbed)
    ours, theirs = (read_progress(one / "progress.jsonl") for one in (out, undisturbed))
    assert [(r.step, r.loss, r.eval_loss, r.tokens) for r in ours] == [
        (r.step, r.loss, r.eval_loss, r.tokens) for r in theirs
    ]


def test_a_checkpoint_that_was_half_written_is_passed_over(
    base: Path, data: Path, undisturbed: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    disturbed(data, base, out, 7)
    (out / "checkpoints" / "checkpoint-6" / "sealed.json").unlink()
    os.truncate(out / "checkpoints" / "checkpoint-6" / "optimizer.pt", 100)
    notes: list[list[str]] = []

    train_student(
        data, str(base), out, options=OPTIONS, on_progress=lambda p: notes.append([*p.notes])
    )

    assert notes[-1] == [
        "checkpoint-6 was not written to its end: removed",
        "goes on from step 4 of 10",
    ]
    assert adapter(out) == adapter(undisturbed)


def test_a_kill_after_the_last_step_trains_nothing_again(
    base: Path, data: Path, undisturbed: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with pytest.raises(Killed):
        train_student(
            data,
            str(base),
            out,
            options=OPTIONS,
            on_progress=kill_when(lambda p: p.phase == "saving"),
        )
    phases: list[str] = []

    train_student(
        data, str(base), out, options=OPTIONS, on_progress=lambda p: phases.append(p.phase)
    )

    assert "training" not in phases
    assert adapter(out) == adapter(undisturbed)


def test_a_pickle_in_a_checkpoint_is_refused_and_not_run(
    base: Path, data: Path, tmp_path: Path
) -> None:
    out, victim = tmp_path / "out", tmp_path / "victim"
    disturbed(data, base, out, 3)
    checkpoint = out / "checkpoints" / "checkpoint-2"

    class Evil:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(victim),)

    torch.save({"state": Evil()}, checkpoint / "optimizer.pt")
    (checkpoint / "sealed.json").unlink()
    seal(checkpoint, 1.0, ended=False)

    with pytest.raises(DataError, match="holds more than numbers"):
        train_student(data, str(base), out, options=OPTIONS)
    assert not victim.exists()


def test_other_data_another_base_or_other_options_in_the_same_folder_are_refused(
    base: Path, data: Path, undisturbed: Path, tmp_path: Path
) -> None:
    others = tmp_path / "others"
    write_dataset(training_data([question(i) for i in range(50, 80)]), others)
    copy = shutil.copytree(base, tmp_path / "copy")

    for changed, said in [
        ((data, base, OPTIONS.model_copy(update={"rank": 4})), "rank was 8 and is 4"),
        ((others, base, OPTIONS), "the data are others"),
        ((data, copy, OPTIONS), "base was "),
    ]:
        with pytest.raises(ConfigError, match=said):
            train_student(changed[0], str(changed[1]), undisturbed, options=changed[2])


def test_early_stopping_keeps_the_weights_of_the_lowest_loss_also_after_a_kill(
    base: Path, data: Path, tmp_path: Path
) -> None:
    options = TrainingOptions(  # so slow that no evaluation is better than the first
        batch=4, accumulation=1, epochs=4, learning_rate=1e-20, eval_share=0.1, patience=1
    )
    out = tmp_path / "out"
    with pytest.raises(Killed):
        train_student(
            data,
            str(base),
            out,
            options=options,
            on_progress=kill_when(lambda p: p.phase == "saving"),
        )

    (student,) = train_student(data, str(base), out, options=options)

    assert (student.settings["steps"], read_progress(out / "progress.jsonl")[-1].step) == (36, 8)
    best, last = (
        (out / "checkpoints" / f"checkpoint-{step}" / "adapter_model.safetensors").read_bytes()
        for step in (4, 8)
    )
    assert adapter(out) == best != last


def test_a_loss_that_is_no_number_ends_the_training_with_what_to_do(
    data: Path, tmp_path: Path
) -> None:
    base = make_base(tmp_path / "base")
    weights = load_file(base / "model.safetensors")
    weights["model.norm.weight"] *= float("nan")
    save_file(weights, base / "model.safetensors", {"format": "pt"})

    with pytest.raises(ConfigError, match="not a number any more after step 1"):
        train_student(
            data, str(base), tmp_path / "out", options=OPTIONS.model_copy(update={"eval_share": 0})
        )


def test_each_task_with_enough_examples_gets_an_adapter_of_its_own_and_the_merged_model_is_equal(
    base: Path, tmp_path: Path
) -> None:
    examples = [question(i, "Sums/1" if i < 12 else "sums-2") for i in range(24)]
    nobodys = [_without_task(question(90))]
    write_dataset(
        training_data([*examples, *(question(i, "rare") for i in range(3)), *nobodys]),
        tmp_path / "data",
    )
    options = TrainingOptions(
        epochs=1, accumulation=1, per_task=True, per_task_minimum=10, learning_rate=5e-3, merge=True
    )
    notes: list[str] = []
    out = tmp_path / "out"

    students = train_student(
        tmp_path / "data",
        str(base),
        out,
        name="tiny",
        options=options,
        on_progress=lambda p: notes.extend(note for note in p.notes if note not in notes),
    )

    assert [(s.name, s.tasks, s.n_examples) for s in students] == [
        ("tiny-sums-1", ("Sums/1",), 12),
        ("tiny-sums-2", ("sums-2",), 12),
    ]
    assert [s.spec for s in students] == [f"student:{out}/sums-1", f"student:{out}/sums-2"]
    assert notes == [
        "1 examples belong to no task: left out",
        "rare: 3 examples are too few for an adapter (10)",
        "these are 3 steps only: a smaller accumulation gives more",
    ]
    assert adapter(out / "sums-1") != adapter(out / "sums-2")
    ids = torch.tensor([[5, 9, 20, 41]])
    merged = LlamaForCausalLM.from_pretrained(out / "sums-1" / "merged")
    over = PeftModel.from_pretrained(
        LlamaForCausalLM.from_pretrained(base), out / "sums-1" / "adapter"
    )
    alone = LlamaForCausalLM.from_pretrained(base)
    with torch.no_grad():
        logits = [model(ids).logits for model in (merged, over, alone)]
    torch.testing.assert_close(logits[0], logits[1], atol=1e-5, rtol=1e-4)
    assert not torch.allclose(logits[0], logits[2], atol=1e-5)


def _without_task(example: Example) -> Example:
    query = example.query.model_copy(update={"task": None})
    return Example(query=query, answer=example.answer, kind="answer")


def test_tasks_that_are_all_too_small_are_refused(base: Path, data: Path, tmp_path: Path) -> None:
    options = TrainingOptions(per_task=True, per_task_minimum=100)

    with pytest.raises(EmptyLogError, match="no task has 100 examples"):
        train_student(data, str(base), tmp_path / "out", options=options)


def test_a_training_is_quiet_and_writes_nowhere_else(
    base: Path,
    data: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CI", raising=False)  # where it is set, TRL tells nobody anyway
    monkeypatch.chdir(tmp_path)
    before = {path.name for path in base.parent.iterdir()}

    train_student(data, str(base), Path("out"), options=OPTIONS.model_copy(update={"epochs": 1}))

    assert capfd.readouterr() == ("", "")
    assert {path.name for path in tmp_path.iterdir()} == {"out"}
    assert {path.name for path in base.parent.iterdir()} == before
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "adapter",
        "checkpoints",
        "curve.svg",
        "progress.jsonl",
        "run.json",
        "student.json",
    }
    assert not list((tmp_path / "out").rglob("*.bin"))
    assert _telemetry._TELEMETRY_THREAD is None


def test_what_was_forgotten_since_the_export_is_left_out_and_a_begun_training_is_not_gone_on_with(
    base: Path, tmp_path: Path
) -> None:
    asked = [question(i) for i in range(30)]
    entries = [
        LogEntry(
            key=f"e{i}",
            query=one.query,
            arm=Arm(model="oracle"),
            response=one.answer,
            performance=1.0,
            source="app" if i < 27 else "guest",
        )
        for i, one in enumerate(asked)
    ]
    examples = [
        Example(**{**one.model_dump(), "entry_keys": (f"e{i}",)}) for i, one in enumerate(asked)
    ]
    write_dataset(training_data(examples), tmp_path / "data")
    options = TrainingOptions(epochs=1, accumulation=1, eval_share=0.0)
    given = (tmp_path / "data", str(base))
    with RoutingLog(tmp_path / "routing.db") as log:
        log.append(entries)
        (before,) = train_student(*given, tmp_path / "before", options=options, log=log)
        log.forget(sources=["guest"])
        notes: list[str] = []

        (after,) = train_student(
            *given,
            tmp_path / "after",
            options=options,
            log=log,
            on_progress=lambda p: notes.extend(note for note in p.notes if note not in notes),
        )

        assert (before.n_examples, after.n_examples) == (30, 27)
        assert notes[0] == "3 examples were withdrawn since the export"
        assert after.data != before.data == read_dataset(tmp_path / "data").manifest.fingerprint
        with pytest.raises(ConfigError, match="the examples that are left are others"):
            train_student(*given, tmp_path / "before", options=options, log=log)


def test_without_the_extra_its_name_is_said(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "trl", None)  # as if it could not be found

    with pytest.raises(MissingExtraError, match=r"pip install 'fusion-agents\[train\]'"):
        train_student(data, "base", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_gradient_checkpointing_saves_memory_and_changes_nothing(
    base: Path, data: Path, tmp_path: Path
) -> None:
    options = OPTIONS.model_copy(update={"epochs": 1, "eval_share": 0.0})
    for name, checkpointing in [("without", False), ("with", True)]:
        given = options.model_copy(update={"gradient_checkpointing": checkpointing})
        train_student(data, str(base), tmp_path / name, options=given)

    assert adapter(tmp_path / "with") == adapter(tmp_path / "without")
