"""What happens while a trainer trains: losses are noted, checkpoints sealed, the curve drawn.

Importing this needs the extra `train`.
"""

import math
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from fusion_agents.distill.training.checkpoints import seal
from fusion_agents.distill.training.curve import write_curve
from fusion_agents.distill.training.lessons import Lesson
from fusion_agents.distill.training.options import TrainingOptions
from fusion_agents.distill.training.progress import (
    ProgressFile,
    ProgressRow,
    TrainingProgress,
    read_progress,
)
from fusion_agents.errors import ConfigError

_SAVED = 60.0
"""Seconds between two checkpoints, unless their number of steps is said."""


class Job(NamedTuple):
    """What is trained, and where it is written."""

    base: str
    lesson: Lesson
    options: TrainingOptions
    out: Path
    title: str = ""
    """Of the curve."""

    @property
    def steps(self) -> int:
        """Of the whole training."""
        return n_steps(self.lesson, self.options)

    @property
    def stops_early(self) -> bool:
        """Whether it may end before its last step."""
        return self.options.patience is not None and bool(self.lesson.evaluation)


def n_steps(lesson: Lesson, options: TrainingOptions) -> int:
    """Steps of a whole training."""
    batches = math.ceil(len(lesson.train) / options.batch)
    return math.ceil(batches / options.accumulation) * options.epochs


class Watcher(TrainerCallback):
    """Notes losses, seals checkpoints and draws the curve.

    Args:
        job: What is trained.
        file: For the losses.
        seconds: That training took in earlier processes.
        progress: Kept up to date.
        tell: Called when it has changed.
    """

    def __init__(
        self,
        job: Job,
        file: ProgressFile,
        seconds: float,
        progress: TrainingProgress,
        tell: Callable[[], None],
    ) -> None:
        self._job, self._file = job, file
        self._progress, self._tell = progress, tell
        self._before = seconds
        self._began = self._saved = time.monotonic()
        self._first = (0, 0)
        self._stopping = False

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Start the clock, from the step that is gone on from."""
        self._began = self._saved = time.monotonic()
        self._first = (state.global_step, int(state.num_input_tokens_seen))
        self._progress.phase = "training"
        self._progress.step, self._progress.steps = state.global_step, state.max_steps
        self._tell()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Ask for a last loss, and for one before each checkpoint: none is kept of a NaN."""
        if state.global_step >= state.max_steps:
            control.should_evaluate = bool(self._job.lesson.evaluation)
            control.should_save = True
        if not self._job.options.save_steps and time.monotonic() - self._saved > _SAVED:
            control.should_save = True
        control.should_log = control.should_log or control.should_save
        self._progress.step = state.global_step
        self._measure(state)
        self._tell()

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        """Note a loss."""
        given = logs or {}
        loss, eval_loss = given.get("loss"), given.get("eval_loss")
        if loss is None and eval_loss is None:
            return  # a summary at the end
        if not math.isfinite(loss if loss is not None else 0.0):
            raise ConfigError(
                f"the loss is not a number any more after step {state.global_step}: give a lower "
                "--learning-rate, and another output"
            )
        self._progress.loss = self._progress.loss if loss is None else loss
        self._progress.eval_loss = self._progress.eval_loss if eval_loss is None else eval_loss
        self._file.append(
            ProgressRow(
                step=state.global_step,
                steps=state.max_steps,
                loss=loss,
                eval_loss=eval_loss if eval_loss and math.isfinite(eval_loss) else None,
                learning_rate=given.get("learning_rate"),
                tokens=int(state.num_input_tokens_seen),
                seconds=self._seconds(),
                time=datetime.now(UTC),
            )
        )
        self._tell()

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Take note whether another callback, called before this one, ends the training."""
        self._stopping = control.should_training_stop
        self._draw()

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Seal the checkpoint."""
        folder = self._job.out / "checkpoints" / f"checkpoint-{state.global_step}"
        ended = self._stopping or state.global_step >= state.max_steps
        seal(folder, self._seconds(), ended=ended)
        self._saved = time.monotonic()
        self._draw()

    def _draw(self) -> None:
        rows = read_progress(self._job.out / "progress.jsonl")
        write_curve(rows, self._job.out / "curve.svg", self._job.title)

    def _seconds(self) -> float:
        return self._before + time.monotonic() - self._began

    def _measure(self, state: TrainerState) -> None:
        step, tokens = self._first
        seconds = time.monotonic() - self._began
        self._progress.tokens_per_second = (state.num_input_tokens_seen - tokens) / seconds
        left = state.max_steps - state.global_step
        self._progress.seconds_left = left * seconds / (state.global_step - step)


class Stopwatch(TrainerCallback):
    """Times steps; the first one, in which much is made ready, does not count."""

    def __init__(self) -> None:
        self._marks: list[tuple[float, float]] = []

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Note the time."""
        self._marks.append((time.monotonic(), float(state.num_input_tokens_seen)))

    @property
    def tokens_per_second(self) -> float:
        """Over all steps but the first; 0 if there was no other."""
        (began, before), (ended, after) = self._marks[0], self._marks[-1]
        return (after - before) / max(ended - began, 1e-9)
