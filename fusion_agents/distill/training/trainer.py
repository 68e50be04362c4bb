"""TRL's trainer with a LoRA adapter: quiet, sealed checkpoints, progress for whoever watches.

Importing this needs the extra `train`.
"""

import math
from collections.abc import Callable
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig
from pydantic import JsonValue
from transformers import (
    EarlyStoppingCallback,
    PrinterCallback,
    TrainerCallback,
)
from transformers.trainer_utils import SaveStrategy
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from fusion_agents.distill.training.checkpoints import Checkpoint
from fusion_agents.distill.training.lessons import Lesson
from fusion_agents.distill.training.loading import base_dtype, device_name, load_base
from fusion_agents.distill.training.options import TrainingOptions
from fusion_agents.distill.training.progress import ProgressFile, TrainingProgress
from fusion_agents.distill.training.watching import Job, Stopwatch, Watcher, n_steps
from fusion_agents.errors import ConfigError, DataError

_TARGETS, _OPTIMIZER = "all-linear", "adamw_torch"
_SCHEDULES = {"cosine": "cosine", "linear": "linear", "constant": "constant_with_warmup"}
_LOGGED, _EVALUATED = 200, 10
"""How often in a training a loss is noted, and the curve's examples are asked."""


def fit_adapter(
    job: Job,
    start: Checkpoint | None,
    progress: TrainingProgress,
    tell: Callable[[], None],
) -> None:
    """Train until a checkpoint is sealed as the last one.

    Raises:
        ConfigError: If the loss is no number any more, or the GPU's memory does not do.
        DataError: If the checkpoint holds a pickle.
    """
    file = ProgressFile(job.out / "progress.jsonl", start.step if start else 0)
    watcher = Watcher(job, file, start.seconds if start else 0.0, progress, tell)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(job.options.threads or threads)
        trainer = make_trainer(job, watcher, beginning=start is None)
        trainer.train(resume_from_checkpoint=str(start.folder) if start else None)
    except torch.OutOfMemoryError as error:
        raise ConfigError(
            f"the GPU's memory does not do for batches of {job.options.batch}: give a smaller "
            "--batch (and a larger --accumulation), or a smaller --max-length"
        ) from error
    except UnpicklingError as error:
        raise DataError(
            f"a checkpoint in {str(job.out)!r} holds more than numbers, and is not loaded: remove "
            "the folder checkpoints and train again"
        ) from error
    finally:
        torch.set_num_threads(threads)
        file.close()


def make_trainer(job: Job, *callbacks: TrainerCallback, beginning: bool) -> SFTTrainer:
    """Put base, adapter and data together; the weights of a seed are always the same.

    Args:
        job: What is trained.
        callbacks: That are told what happens.
        beginning: Whether to measure the base before the first step.
    """
    options = job.options
    model = load_base(job.base, base_dtype(options.dtype))
    early = [EarlyStoppingCallback(options.patience or 1)] if job.stops_early else []
    trainer = _StudentTrainer(
        model=model,
        args=_arguments(job, beginning),
        train_dataset=Dataset.from_list([dict(row) for row in job.lesson.train]),
        eval_dataset=_evaluation(job),
        processing_class=job.lesson.tokenizer,
        peft_config=LoraConfig(
            r=options.rank,
            lora_alpha=options.alpha,
            lora_dropout=options.dropout,
            target_modules=_TARGETS,
            task_type="CAUSAL_LM",
        ),
        callbacks=[*early, *callbacks],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def tokens_per_second(
    base: str, lesson: Lesson, options: TrainingOptions, folder: Path, steps: int
) -> float:
    """Time a few steps of a training, after one to warm up; nothing of them is kept."""
    short = Job(base, lesson._replace(evaluation=[]), options, folder)
    watch = Stopwatch()
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(options.threads or threads)
        trainer = make_trainer(short, watch, beginning=False)
        trainer.args.max_steps = steps + 1
        trainer.args.save_strategy = SaveStrategy.NO
        trainer.train()
    finally:
        torch.set_num_threads(threads)
    return watch.tokens_per_second


class _StudentTrainer(SFTTrainer):
    """Writes no card into the checkpoints' folder, and tells nobody that it was used."""

    def _send_telemetry(self) -> None:
        pass

    def create_model_card(self, *_: Any, **__: Any) -> None:
        pass


def _evaluation(job: Job) -> Dataset | None:
    rows = [dict(row) for row in job.lesson.evaluation]
    return Dataset.from_list(rows) if rows else None


def _arguments(job: Job, beginning: bool) -> SFTConfig:
    options, device, steps = job.options, device_name(), job.steps
    checkpointing = options.gradient_checkpointing
    evaluated = math.ceil(steps / _EVALUATED)
    saved = options.save_steps or steps
    early = job.stops_early
    return SFTConfig(
        output_dir=str(job.out / "checkpoints"),
        num_train_epochs=options.epochs,
        per_device_train_batch_size=options.batch,
        per_device_eval_batch_size=options.batch,
        gradient_accumulation_steps=options.accumulation,
        learning_rate=options.learning_rate,
        lr_scheduler_type=_SCHEDULES[options.schedule],
        warmup_steps=options.warmup,
        weight_decay=options.weight_decay,
        optim=_OPTIMIZER,
        seed=options.seed,
        data_seed=options.seed,
        bf16=device == "cuda" and base_dtype(options.dtype) is torch.bfloat16,
        use_cpu=device == "cpu",
        gradient_checkpointing=device != "cpu" if checkpointing is None else checkpointing,
        max_length=None,  # nothing is cut: what is too long was left out
        logging_steps=math.ceil(steps / _LOGGED),
        logging_nan_inf_filter=False,
        eval_strategy="steps" if job.lesson.evaluation else "no",
        eval_steps=evaluated,
        eval_on_start=beginning and bool(job.lesson.evaluation),
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


def settings(lesson: Lesson, options: TrainingOptions) -> dict[str, JsonValue]:
    """What the options leave to this machine and to this module."""
    return {
        "steps": n_steps(lesson, options),
        "target_modules": _TARGETS,
        "optimizer": _OPTIMIZER,
        "device": device_name(),
        "dtype": str(base_dtype(options.dtype)).removeprefix("torch."),
    }
