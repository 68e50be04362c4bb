"""Train a student on this machine, with TRL and PEFT: resumable, and once it is done, done."""

import importlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fusion_agents.distill.nouns import Example, Student
from fusion_agents.distill.training.checkpoints import Checkpoint, last_whole
from fusion_agents.distill.training.lessons import (
    Lesson,
    Material,
    encode,
    examples_by_task,
    make_lesson,
    read_material,
)
from fusion_agents.distill.training.options import TrainingOptions
from fusion_agents.distill.training.progress import TrainingProgress
from fusion_agents.distill.training.runs import Run, agree, examples_key, sole
from fusion_agents.distill.training.student_file import EXTRA, read_student, write_student
from fusion_agents.errors import DataError, EmptyLogError, MissingExtraError
from fusion_agents.stores.routing_log import RoutingLog

__all__ = ["encode", "place", "require_extra", "task_folder", "train_student"]

_FEW = 10
"""Steps; of fewer, the warm-up takes a large share."""

OnProgress = Callable[[TrainingProgress], None]


def train_student(
    data: Path,
    base: str,
    out: Path,
    *,
    name: str = "student",
    options: TrainingOptions = TrainingOptions(),  # noqa: B008 - frozen
    log: RoutingLog | None = None,
    on_progress: OnProgress | None = None,
) -> list[Student]:
    """Train an adapter on a base, or one for each task.

    A process that was killed is gone on with from its last whole checkpoint, and ends with the
    same adapter as if nothing had happened. A student that is there is returned as it is.

    `out` then holds `student.json`, `adapter/`, `curve.svg`, `progress.jsonl`, and `merged/` if
    that was asked for; of one adapter for each task, a folder of these for each.

    Args:
        data: A folder that `write_dataset` wrote.
        base: A folder that Transformers saved, or a name on the hub.
        out: Made if it is missing; it holds this training alone.
        name: What the student is called in the pool; of a task's, the task is added.
        options: Of the training.
        log: That the data come from: what was withdrawn since is left out.
        on_progress: Told how far it has come, always with the same object.

    Returns:
        The student; one for each task that has enough examples, in the order of their names.

    Raises:
        MissingExtraError: If the extra `train` is not installed.
        ConfigError: If `out` holds another training or another process writes it, or the base
            cannot be trained.
        DataError: If the data are damaged.
        EmptyLogError: If no example is left to learn from.
    """
    require_extra()
    out = Path(out).resolve()
    with sole(out):
        training = _Training(
            material=read_material(Path(data), log),
            base=place(base),
            options=options,
            progress=TrainingProgress(student=name),
            on_progress=on_progress,
        )
        return list(training.run(out, name))


def require_extra() -> None:
    """Find out before the work whether what training needs is installed.

    Raises:
        MissingExtraError: If not.
    """
    for module in EXTRA:
        try:
            importlib.import_module(module)
        except ModuleNotFoundError as error:
            raise MissingExtraError("training a student", "train") from error


def place(base: str) -> str:
    """A base's folder from the root, or its name on the hub as it is."""
    return str(Path(base).resolve()) if Path(base).is_dir() else base


def task_folder(task: str) -> str:
    """A task's name as that of a folder and of a model.

    >>> task_folder("natural qa/open")
    'natural-qa-open'
    """
    return re.sub(r"[^a-z0-9._-]+", "-", task.lower()).strip("-.") or "task"


@dataclass
class _Training:
    material: Material
    base: str
    options: TrainingOptions
    progress: TrainingProgress
    on_progress: OnProgress | None

    def run(self, out: Path, name: str) -> Iterator[Student]:
        if self.material.withdrawn:
            self._note(f"{self.material.withdrawn:,} examples were withdrawn since the export")
        examples = self.material.dataset.data.examples
        whole = self._run_of(name, examples, None)
        agree(out, whole)
        if not self.options.per_task:
            yield self._one(out, whole, examples)
            return
        tasks = self._tasks(examples)
        self.progress.students = len(tasks)
        for folder, (task, chosen) in tasks.items():
            run = self._run_of(f"{name}-{folder}", chosen, task)
            (out / folder).mkdir(mode=0o700, exist_ok=True)
            agree(out / folder, run)
            yield self._one(out / folder, run, chosen)

    def _run_of(self, name: str, examples: Sequence[Example], task: str | None) -> Run:
        from fusion_agents.distill.training.loading import fingerprint  # noqa: PLC0415 - the extra

        return Run(
            name=name,
            data=self.material.fingerprint,
            examples=examples_key(example.key for example in examples),
            n_examples=len(examples),
            base=self.base,
            base_fingerprint=fingerprint(Path(self.base)) if Path(self.base).is_dir() else "",
            task=task,
            options=self.options.learning(),
        )

    def _tasks(self, examples: Sequence[Example]) -> dict[str, tuple[str, list[Example]]]:
        """Those with enough examples, by folder."""
        least = self.options.per_task_minimum
        tasks: dict[str, tuple[str, list[Example]]] = {}
        for task, chosen in examples_by_task(examples).items():
            if not task:
                self._note(f"{len(chosen):,} examples belong to no task: left out")
            elif len(chosen) < least:
                self._note(f"{task}: {len(chosen)} examples are too few for an adapter ({least})")
            else:
                folder = task_folder(task)
                while folder in tasks:
                    folder += "-2"
                tasks[folder] = (task, chosen)
        if not tasks:
            raise EmptyLogError(
                f"no task has {least} examples for an adapter of its own: train one for all, or "
                "allow fewer (per_task_minimum)"
            )
        return tasks

    def _one(self, out: Path, run: Run, examples: Sequence[Example]) -> Student:
        self.progress.student = run.name
        student = read_student(out) or self._train(out, run, examples)
        if self.options.merge and not (out / "merged").exists():
            self._merge(out)
        self._phase("done")
        return student

    def _train(self, out: Path, run: Run, examples: Sequence[Example]) -> Student:
        from fusion_agents.distill.training.adapters import write_adapter  # noqa: PLC0415
        from fusion_agents.distill.training.loading import quietly  # noqa: PLC0415
        from fusion_agents.distill.training.trainer import settings  # noqa: PLC0415

        with quietly():
            self._phase("loading")
            lesson = make_lesson(self.material.dataset, self.base, self.options, examples)
            for reason, n in lesson.dropped.items():
                self._note(f"{n:,} examples left out: {reason}")
            last = self._fit(out, lesson, run.name)
            self._phase("saving")
            write_adapter(last, lesson.tokenizer, out / "adapter")
        return write_student(
            out,
            run,
            self.material,
            lesson,
            self.options,
            seconds=last.seconds,
            settings=settings(lesson, self.options),
        )

    def _fit(self, out: Path, lesson: Lesson, name: str) -> Checkpoint:
        """Train to the end; the last checkpoint."""
        from fusion_agents.distill.training.trainer import fit_adapter  # noqa: PLC0415
        from fusion_agents.distill.training.watching import Job, n_steps  # noqa: PLC0415

        start, torn = last_whole(out / "checkpoints")
        for folder in torn:
            self._note(f"{folder} was not written to its end: removed")
        steps = n_steps(lesson, self.options)
        if start:
            self._note(f"goes on from step {start.step:,} of {steps:,}")
        elif steps < _FEW:
            self._note(f"these are {steps} steps only: a smaller accumulation gives more")
        if not (start and start.ended):
            title = f"{name}: learning from {len(lesson.train):,} examples"
            job = Job(self.base, lesson, self.options, out, title)
            fit_adapter(job, start, self.progress, self._tell)
            start, _ = last_whole(out / "checkpoints")
        if start is None or not start.ended:
            raise DataError(f"{out}: the last checkpoint was changed while it was written")
        return start

    def _merge(self, out: Path) -> None:
        from fusion_agents.distill.training.adapters import write_merged  # noqa: PLC0415
        from fusion_agents.distill.training.loading import load_tokenizer, quietly  # noqa: PLC0415

        self._phase("saving")
        with quietly():
            tokenizer = load_tokenizer(self.base, self.options.chat_template)
            write_merged(self.base, out / "adapter", tokenizer, out / "merged")

    def _phase(self, phase: str) -> None:
        self.progress.phase = phase
        self._tell()

    def _note(self, text: str) -> None:
        self.progress.notes.append(text)
        self._tell()

    def _tell(self) -> None:
        if self.on_progress:
            self.on_progress(self.progress)
