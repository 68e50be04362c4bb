"""`student.json`: what a student is, and enough to train it again."""

from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import JsonValue, ValidationError

from fusion_agents.distill.nouns import Student
from fusion_agents.distill.training.lessons import Lesson, Material
from fusion_agents.distill.training.options import TrainingOptions
from fusion_agents.distill.training.progress import read_progress
from fusion_agents.distill.training.runs import Run
from fusion_agents.errors import DataError
from fusion_agents.stores.formats.writing import replacing
from fusion_agents.students.files import NOTE, spec_of

EXTRA = ("torch", "transformers", "peft", "trl")
"""What the extra `train` brings, and training needs."""

_LAST = 0.1
"""Share of the steps whose mean loss is said."""


def read_student(out: Path) -> Student | None:
    """The student of a folder; none if it is not trained to its end.

    Raises:
        DataError: If its note is damaged, or its weights are gone.
    """
    path = out / NOTE
    if not path.exists():
        return None
    try:
        student = Student.model_validate_json(path.read_text("utf-8"))
    except (ValidationError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a student's note; give another output") from error
    if not (out / "adapter" / "adapter_model.safetensors").exists():
        raise DataError(f"{out}: the adapter is gone: remove the folder and train again")
    return student


def write_student(
    out: Path,
    run: Run,
    material: Material,
    lesson: Lesson,
    options: TrainingOptions,
    *,
    seconds: float,
    settings: dict[str, JsonValue],
) -> Student:
    """Declare a student trained: this is the last file of a training."""
    student = Student(
        name=run.name,
        spec=spec_of(out),
        base=run.base,
        base_spec=spec_of(run.base),
        provider="local",
        strategy=material.dataset.manifest.strategy,
        data=material.dataset.manifest.fingerprint,
        n_examples=len(lesson.train),
        tasks=lesson.tasks,
        seconds=round(seconds, 3),
        **_outcome(out),
        settings={
            "options": options.model_dump(mode="json"),
            "run": run.model_dump(mode="json", exclude={"options"}),
            "selection": material.dataset.data.options,
            "n_evaluation": len(lesson.evaluation),
            "dropped": {**lesson.dropped, "withdrawn": material.withdrawn},
            **settings,
            "versions": {one: version(one) for one in ("fusion-agents", *EXTRA)},
        },
        time=datetime.now(UTC),
    )
    with replacing(out / NOTE) as file:
        file.write(f"{student.model_dump_json(indent=1)}\n".encode())
    return student


def _outcome(out: Path) -> dict[str, Any]:
    """Tokens that were seen, and the mean loss over the last tenth of the steps."""
    rows = read_progress(out / "progress.jsonl")
    losses = [(row.step, row.loss) for row in rows if row.loss is not None]
    if not losses:
        return {}
    last = [loss for step, loss in losses if step > (1 - _LAST) * losses[-1][0]]
    return {"tokens": rows[-1].tokens, "loss": sum(last) / len(last)}
