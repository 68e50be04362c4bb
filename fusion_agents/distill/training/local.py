"""Train a student on this machine, with TRL and PEFT: resumable, and once it is done, done."""

import importlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from fusion_agents.distill.dataset import Dataset, read_dataset, without_withdrawn
from fusion_agents.distill.nouns import Example, Student
from fusion_agents.distill.prompting import prompt_of, turns_of
from fusion_agents.distill.training.checkpoints import last_whole
from fusion_agents.distill.training.encoding import Encoded, Encoder
from fusion_agents.distill.training.options import TrainingOptions
from fusion_agents.distill.training.progress import TrainingProgress, read_progress
from fusion_agents.distill.training.runs import Run, agree, examples_key, sole
from fusion_agents.distill.training.splitting import Split, split_examples
from fusion_agents.errors import DataError, EmptyLogError, MissingExtraError
from fusion_agents.stores.formats.writing import replacing
from fusion_agents.stores.routing_log import RoutingLog

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from fusion_agents.distill.training.trainer import Lesson

OnProgress = Callable[[TrainingProgress], None]

_EXTRA = ("torch", "transformers", "peft", "trl")
_STUDENT = "student.json"
_LAST = 0.1
"""Share of the steps whose mean loss a student's note says."""


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
    progress = TrainingProgress(student=name)
    with sole(Path(out)):
        training = _Training(Path(data), _place(base), options, progress, on_progress)
        return training.run(Path(out).resolve(), name, log)


def require_extra() -> None:
    """Find out before the work whether what training needs is installed.

    Raises:
        MissingExtraError: If not.
    """
    for module in _EXTRA:
        try:
            importlib.import_module(module)
        except ModuleNotFoundError as error:
            raise MissingExtraError("training a student", "train") from error


def _place(base: str) -> str:
    return str(Path(base).resolve()) if Path(base).is_dir() else base


@dataclass
class _Training:
    data: Path
    base: str
    options: TrainingOptions
    progress: TrainingProgress
    on_progress: OnProgress | None
    folder: str = ""
    """Fingerprint of the folder's data, whatever was withdrawn since."""

    def run(self, out: Path, name: str, log: RoutingLog | None) -> list[Student]:
        dataset = self._read(log)
        examples = dataset.data.examples
        agree(out, self._run_of(name, examples, None))
        if not self.options.per_task:
            return [self._one(dataset, out, name, examples, None)]
        tasks = self._tasks(examples)
        self.progress.students = len(tasks)
        students = []
        for task, chosen in tasks.items():
            folder = out / task_folder(task)
            folder.mkdir(mode=0o700, exist_ok=True)
            named = f"{name}-{task_folder(task)}"
            agree(folder, self._run_of(named, chosen, task))
            students.append(self._one(dataset, folder, named, chosen, task))
        return students

    def _read(self, log: RoutingLog | None) -> Dataset:
        self._tell()
        dataset = read_dataset(self.data)
        self.folder = dataset.manifest.fingerprint
        if log is not None:
            rest, withdrawn = without_withdrawn(dataset, log)
            if withdrawn:
                dataset = rest
                self._note(f"{withdrawn:,} examples were withdrawn since the export: left out")
        if not dataset.data.examples:
            raise EmptyLogError(f"no example is left to learn from in {str(self.data)!r}")
        return dataset

    def _run_of(self, name: str, examples: Sequence[Example], task: str | None) -> Run:
        from fusion_agents.distill.training.loading import fingerprint  # noqa: PLC0415 - the extra

        local = Path(self.base).is_dir()
        return Run(
            name=name,
            data=self.folder,
            examples=examples_key(example.key for example in examples),
            n_examples=len(examples),
            base=self.base,
            base_fingerprint=fingerprint(Path(self.base)) if local else "",
            task=task,
            options=self.options.learning(),
        )

    def _tasks(self, examples: Sequence[Example]) -> dict[str, list[Example]]:
        """Those with enough examples, by name."""
        found: dict[str, list[Example]] = defaultdict(list)
        for example in examples:
            found[example.query.task or ""].append(example)
        unnamed = found.pop("", [])
        if unnamed:
            self._note(f"{len(unnamed):,} examples belong to no task: left out")
        least = self.options.per_task_minimum
        for task, chosen in sorted(found.items()):
            if len(chosen) < least:
                self._note(f"{task}: {len(chosen)} examples are too few for an adapter ({least})")
        enough = {task: found[task] for task in sorted(found) if len(found[task]) >= least}
        if not enough:
            raise EmptyLogError(
                f"no task has {least} examples for an adapter of its own: train one for all, or "
                "allow fewer (per_task_minimum)"
            )
        return enough

    def _one(
        self,
        dataset: Dataset,
        out: Path,
        name: str,
        examples: Sequence[Example],
        task: str | None,
    ) -> Student:
        self.progress.student = name
        student = _done(out) or self._train(dataset, out, name, examples, task)
        if self.options.merge and not (out / "merged").exists():
            self._merge(out)
        self.progress.phase = "done"
        self._tell()
        return student

    def _train(
        self,
        dataset: Dataset,
        out: Path,
        name: str,
        examples: Sequence[Example],
        task: str | None,
    ) -> Student:
        from fusion_agents.distill.training.adapters import write_adapter  # noqa: PLC0415
        from fusion_agents.distill.training.loading import quietly  # noqa: PLC0415
        from fusion_agents.distill.training.trainer import fit_adapter  # noqa: PLC0415

        with quietly():
            self._phase("loading")
            lesson, encoded, split = self._lesson(dataset, out, name, examples)
            start, torn = last_whole(out / "checkpoints")
            for folder in torn:
                self._note(f"{folder} was not written to its end: removed")
            if start:
                self._note(f"goes on from step {start.step:,} of {lesson.steps:,}")
            if not (start and start.ended):
                fit_adapter(lesson, start, self.progress, self._tell)
                start, _ = last_whole(out / "checkpoints")
            if start is None:
                raise DataError(f"{out}: the last checkpoint was changed while it was written")
            self._phase("saving")
            write_adapter(start, lesson.tokenizer, out / "adapter")
        student = Student(
            name=name,
            spec=f"student:{out}",
            base=self.base,
            base_spec=f"student:{self.base}",
            provider="local",
            strategy=dataset.manifest.strategy,
            data=dataset.manifest.fingerprint,
            n_examples=len(split.train),
            tasks=_tasks_of(encoded.examples, task),
            seconds=round(start.seconds, 3),
            **_outcome(out),
            settings=self._settings(dataset, out, lesson, encoded, split),
            time=datetime.now(UTC),
        )
        _write(out / _STUDENT, student)
        return student

    def _lesson(
        self, dataset: Dataset, out: Path, name: str, examples: Sequence[Example]
    ) -> tuple["Lesson", Encoded, Split]:
        from fusion_agents.distill.training.trainer import Lesson  # noqa: PLC0415 - the extra

        tokenizer, encoded = encode(dataset, self.base, self.options, examples)
        for reason, n in encoded.dropped.items():
            self._note(f"{n:,} examples left out: {reason}")
        split = split_examples(encoded.examples, self.options.eval_share, self.options.seed)
        lesson = Lesson(
            base=self.base,
            tokenizer=tokenizer,
            train=[encoded.rows[i] for i in split.train],
            evaluation=[encoded.rows[i] for i in split.evaluation],
            out=out,
            options=self.options,
            title=f"{name}: learning from {len(split.train):,} examples",
        )
        return lesson, encoded, split

    def _settings(
        self, dataset: Dataset, out: Path, lesson: "Lesson", encoded: Encoded, split: Split
    ) -> dict[str, Any]:
        from fusion_agents.distill.training.loading import base_dtype, device_name  # noqa: PLC0415

        run = json.loads((out / "run.json").read_text("utf-8"))
        return {
            "options": self.options.model_dump(mode="json"),
            "run": {key: value for key, value in run.items() if key != "options"},
            "data_folder": str(self.data.resolve()),
            "selection": dataset.data.options,
            "n_evaluation": len(split.evaluation),
            "dropped": dict(encoded.dropped),
            "steps": lesson.steps,
            "target_modules": "all-linear",
            "optimizer": "adamw_torch",
            "device": device_name(),
            "dtype": str(base_dtype(self.options.dtype)).removeprefix("torch."),
            "versions": {one: version(one) for one in ("fusion-agents", *_EXTRA)},
        }

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


def encode(
    dataset: Dataset, base: str, options: TrainingOptions, examples: Sequence[Example]
) -> tuple["PreTrainedTokenizerBase", Encoded]:
    """Turn examples into tokens of a base.

    Raises:
        ConfigError: If the base's chat template does not serve.
        EmptyLogError: If none is left.
    """
    from fusion_agents.distill.training.loading import load_tokenizer, stop_tokens  # noqa: PLC0415

    tokenizer = load_tokenizer(base, options.chat_template)
    encoder = Encoder(tokenizer, stop_tokens(base, tokenizer), options.max_length)
    strategy = dataset.manifest.strategy
    encoded = encoder.encode((one, turns_of(prompt_of(one.query, strategy))) for one in examples)
    if not encoded.rows:
        raise EmptyLogError(f"no example is left to learn from: {_reasons(encoded.dropped)}")
    return tokenizer, encoded


def _reasons(dropped: Counter[str]) -> str:
    return "; ".join(f"{n:,} {reason}" for reason, n in dropped.items())


def task_folder(task: str) -> str:
    """A task's name as that of a folder and of a model.

    >>> task_folder("natural qa/open")
    'natural-qa-open'
    """
    return re.sub(r"[^a-z0-9._-]+", "-", task.lower()).strip("-.") or "task"


def _tasks_of(examples: Sequence[Example], task: str | None) -> tuple[str, ...]:
    if task is not None:
        return (task,)
    return tuple(sorted({one.query.task for one in examples if one.query.task}))


def _outcome(out: Path) -> dict[str, Any]:
    """Tokens that were seen, and the mean loss over the last tenth of the steps."""
    rows = [row for row in read_progress(out / "progress.jsonl") if row.loss is not None]
    if not rows:
        return {}
    last = [row.loss for row in rows if row.step > (1 - _LAST) * rows[-1].step]
    losses = [loss for loss in last if loss is not None]
    return {"tokens": rows[-1].tokens, "loss": sum(losses) / len(losses)}


def _done(out: Path) -> Student | None:
    path = out / _STUDENT
    if not path.exists():
        return None
    try:
        student = Student.model_validate_json(path.read_text("utf-8"))
    except (ValidationError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a student's note; give another output") from error
    if not (out / "adapter" / "adapter_model.safetensors").exists():
        raise DataError(f"{out}: the adapter is gone: remove the folder and train again")
    return student


def _write(path: Path, student: Student) -> None:
    with replacing(path) as file:
        file.write(f"{student.model_dump_json(indent=1)}\n".encode())
