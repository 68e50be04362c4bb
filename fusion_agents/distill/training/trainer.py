"""TRL's trainer with a LoRA adapter: quiet, sealed checkpoints, progress for whoever watches.

Importing this needs the extra `train`.
"""

import math
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import (
    EarlyStoppingCallback,
    PreTrainedTokenizerBase,
    PrinterCallback,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from fusion_agents.distill.training.checkpoints import Checkpoint, seal
from fusion_agents.distill.training.curve import write_curve
from fusion_agents.distill.training.encoding import Row
from fusion_agents.distill.training.loading import base_dtype, device_name, load_base
from fusion_agents.distill.training.options import TrainingOptions
from fusion_agents.distill.training.progress import (
    ProgressFile,
    ProgressRow,
    TrainingProgress,
    read_progress,
)
from fusion_agents.errors import ConfigError

_SCHEDULES = {"cosine": "cosine", "linear": "linear", "constant": "constant_with_warmup"}
_LOGGED, _EVALUATED = 200, 10
"""How often in a training a loss is noted, and the curve's examples are asked."""
_SAVED = 60.0
"""Seconds between two checkpoints, unless their number of steps is said."""


class Lesson(NamedTuple):
    """What is learned, and where it is written."""

    base: str
    tokenizer: PreTrainedTokenizerBase
    train: Sequence[Row]
    evaluation: Sequence[Row]
    out: Path
    options: TrainingOptions
    title: str

    @property
    def steps(self) -> int:
        """Of the whole training."""
        batches = math.ceil(len(self.train) / self.options.batch)
        return math.ceil(batches / self.options.accumulation) * self.options.epochs


def fit_adapter(
    lesson: Lesson,
    start: Checkpoint | None,
    progress: TrainingProgress,
    tell: Callable[[], None],
) -> None:
    """Train until a checkpoint is sealed as the last one.

    Raises:
        ConfigError: If the loss is no number any more, or the GPU's memory does not do.
    """
    file = ProgressFile(lesson.out / "progress.jsonl", start.step if start else 0)
    watcher = _Watcher(lesson, file, start.seconds if start else 0.0, progress, tell)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(lesson.options.threads or threads)
        trainer = make_trainer(lesson, watcher, beginning=start is None)
        trainer.train(resume_from_checkpoint=str(start.folder) if start else None)
    except torch.OutOfMemoryError as error:
        raise ConfigError(
            f"the GPU's memory does not do for batches of {lesson.options.batch}: give a smaller "
            "--batch (and a larger --accumulation), or a smaller --max-length"
        ) from error
    finally:
        torch.set_num_threads(threads)
        file.close()


def make_trainer(lesson: Lesson, *callbacks: TrainerCallback, beginning: bool) -> SFTTrainer:
    """Put base, adapter and data together; the weights of a seed are always the same.

    Args:
        lesson: What is learned.
        callbacks: That are told what happens.
        beginning: Whether to measure the base before the first step.
    """
    options = lesson.options
    model = load_base(lesson.base, base_dtype(options.dtype))
    early = [EarlyStoppingCallback(options.patience or 1)] if _stops_early(lesson) else []
    trainer = _StudentTrainer(
        model=model,
        args=_arguments(lesson, beginning),
        train_dataset=Dataset.from_list([dict(row) for row in lesson.train]),
        eval_dataset=_evaluation(lesson),
        processing_class=lesson.tokenizer,
        peft_config=LoraConfig(
            r=options.rank,
            lora_alpha=options.alpha,
            lora_dropout=options.dropout,
            target_modules="all-linear",
            task_type="CAUSAL_LM",
        ),
        callbacks=[*early, *callbacks],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


class _StudentTrainer(SFTTrainer):
    """Writes no card into the checkpoints' folder, and tells nobody that it was used."""

    def _send_telemetry(self) -> None:
        pass

    def create_model_card(self, *_: Any, **__: Any) -> None:
        pass


def _evaluation(lesson: Lesson) -> Dataset | None:
    rows = [dict(row) for row in lesson.evaluation]
    return Dataset.from_list(rows) if rows else None


def _stops_early(lesson: Lesson) -> bool:
    return lesson.options.patience is not None and bool(lesson.evaluation)


def _arguments(lesson: Lesson, beginning: bool) -> SFTConfig:
    options, device, steps = lesson.options, device_name(), lesson.steps
    checkpointing = options.gradient_checkpointing
    evaluated = math.ceil(steps / _EVALUATED)
    saved = options.save_steps or steps
    early = _stops_early(lesson)
    return SFTConfig(
        output_dir=str(lesson.out / "checkpoints"),
        num_train_epochs=options.epochs,
        per_device_train_batch_size=options.batch,
        per_device_eval_batch_size=options.batch,
        gradient_accumulation_steps=options.accumulation,
        learning_rate=options.learning_rate,
        lr_scheduler_type=_SCHEDULES[options.schedule],
        warmup_steps=options.warmup,
        weight_decay=options.weight_decay,
        optim="adamw_torch",
        seed=options.seed,
        data_seed=options.seed,
        bf16=device == "cuda" and base_dtype(options.dtype) is torch.bfloat16,
        use_cpu=device == "cpu",
        gradient_checkpointing=device != "cpu" if checkpointing is None else checkpointing,
        max_length=None,  # nothing is cut: what is too long was left out
        logging_steps=math.ceil(steps / _LOGGED),
        logging_nan_inf_filter=False,
        eval_strategy="steps" if lesson.evaluation else "no",
        eval_steps=evaluated,
        eval_on_start=beginning and bool(lesson.evaluation),
        save_strategy="steps",
        save_steps=evaluated if early else saved,
        save_total_limit=2,
        load_best_model_at_end=early,
        metric_for_best_model="eval_loss" if early else None,
        restore_callback_states_from_checkpoint=early,
        include_num_input_tokens_seen="non_padding",
        dataloader_pin_memory=device == "cuda",
        report_to=[],
        disable_tqdm=True,
    )


class _Watcher(TrainerCallback):
    """Notes losses, seals checkpoints and draws the curve."""

    def __init__(
        self,
        lesson: Lesson,
        file: ProgressFile,
        seconds: float,
        progress: TrainingProgress,
        tell: Callable[[], None],
    ) -> None:
        self._lesson, self._file = lesson, file
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
            control.should_evaluate = bool(self._lesson.evaluation)
            control.should_save = True
        if not self._lesson.options.save_steps and time.monotonic() - self._saved > _SAVED:
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
        folder = self._lesson.out / "checkpoints" / f"checkpoint-{state.global_step}"
        ended = self._stopping or state.global_step >= state.max_steps
        seal(folder, self._seconds(), ended=ended)
        self._saved = time.monotonic()
        self._draw()

    def _draw(self) -> None:
        rows = read_progress(self._lesson.out / "progress.jsonl")
        write_curve(rows, self._lesson.out / "curve.svg", self._lesson.title)

    def _seconds(self) -> float:
        return self._before + time.monotonic() - self._began

    def _measure(self, state: TrainerState) -> None:
        step, tokens = self._first
        seconds = time.monotonic() - self._began
        self._progress.tokens_per_second = (state.num_input_tokens_seen - tokens) / seconds
        left = state.max_steps - state.global_step
        self._progress.seconds_left = left * seconds / (state.global_step - step)
