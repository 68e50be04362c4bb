"""`fusion-agents distill train`: a student learns from exported data, here or at a provider."""

import asyncio
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import typer

from fusion_agents.cli.console import check_folder, results, say
from fusion_agents.cli.distill_train_report import (
    show_local_estimate,
    show_openai_estimate,
    sum_up,
    training_progress,
)
from fusion_agents.cli.exit_codes import INTERRUPTED
from fusion_agents.cli.options import Seed
from fusion_agents.cli.stopping import this_command

if TYPE_CHECKING:
    from fusion_agents.distill.nouns import Student
    from fusion_agents.distill.training.openai_options import OpenAIJobOptions
    from fusion_agents.distill.training.options import TrainingOptions
    from fusion_agents.stores.routing_log import RoutingLog


Chosen = TypeVar("Chosen", "TrainingOptions", "OpenAIJobOptions")


def distill_train(
    data: Annotated[
        Path,
        typer.Option(
            "--data",
            exists=True,
            file_okay=False,
            help="The folder that `distill export` wrote.",
            show_default=False,
        ),
    ],
    base: Annotated[
        str,
        typer.Option(
            "--base",
            help="What the student is made of: a folder that Transformers saved, a name on the "
            "hub, or with --provider openai a model of the provider.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", help="The student's folder; made.", show_default=False)
    ],
    provider: Annotated[
        Literal["local", "openai"],
        typer.Option(
            "--provider", help="Where: on this machine, or as a fine-tuning job in OpenAI's API."
        ),
    ] = "local",
    log: Annotated[
        Path | None,
        typer.Option(
            "--log",
            exists=True,
            dir_okay=False,
            help="The log's database: what was forgotten or withdrawn since the export is left "
            "out.",
            show_default=False,
        ),
    ] = None,
    name: Annotated[
        str, typer.Option("--name", help="What the student is called in the pool.")
    ] = "student",
    epochs: Annotated[
        int, typer.Option("--epochs", min=1, help="How often each example is seen.")
    ] = 3,
    batch: Annotated[
        int | None,
        typer.Option(
            "--batch",
            min=1,
            help="Examples computed at a time.",
            show_default="4; with openai, the provider's",
        ),
    ] = None,
    accumulation: Annotated[
        int, typer.Option("--accumulation", min=1, help="Local: such batches in a step.")
    ] = 4,
    rank: Annotated[int, typer.Option("--rank", min=1, help="Local: of the LoRA adapter.")] = 8,
    alpha: Annotated[
        int, typer.Option("--alpha", min=1, help="Local: the adapter counts alpha / rank.")
    ] = 16,
    learning_rate: Annotated[
        float, typer.Option("--learning-rate", min=0, help="Local: the highest.")
    ] = 1e-4,
    max_length: Annotated[
        int,
        typer.Option(
            "--max-length",
            min=8,
            help="Local: tokens of question and answer; longer examples are left out, never cut.",
        ),
    ] = 2048,
    patience: Annotated[
        int | None,
        typer.Option(
            "--patience",
            min=1,
            help="Local: stop after so many evaluations without a lower loss, and keep the best.",
            show_default=False,
        ),
    ] = None,
    per_task: Annotated[
        bool, typer.Option("--per-task", help="Local: an adapter for each task.")
    ] = False,
    chat_template: Annotated[
        Path | None,
        typer.Option(
            "--chat-template",
            exists=True,
            dir_okay=False,
            help="Local: a Jinja file, for a base without a chat template.",
            show_default=False,
        ),
    ] = None,
    merge: Annotated[
        bool,
        typer.Option("--merge", help="Local: also write the base with the adapter in it."),
    ] = False,
    threads: Annotated[
        int | None,
        typer.Option("--threads", min=1, help="Local: of the CPU.", show_default="all cores"),
    ] = None,
    base_url: Annotated[
        str | None,
        typer.Option("--base-url", help="OpenAI: another server with the same API."),
    ] = None,
    api_key_env: Annotated[
        str | None,
        typer.Option("--api-key-env", help="OpenAI: the environment variable of the key."),
    ] = None,
    job: Annotated[
        str | None,
        typer.Option("--job", help="OpenAI: go on with this job, which was found there by hand."),
    ] = None,
    start_again: Annotated[
        bool,
        typer.Option("--start-again", help="OpenAI: a new job where the last one has ended."),
    ] = False,
    suffix: Annotated[
        str | None,
        typer.Option(
            "--suffix",
            help="OpenAI: part of the model's name there.",
            show_default="the student's name",
        ),
    ] = None,
    delete_upload: Annotated[
        bool,
        typer.Option("--delete-upload", help="OpenAI: delete the uploaded file in the end."),
    ] = False,
    cancel: Annotated[
        bool, typer.Option("--cancel", help="OpenAI: cancel the job of --out, and do no more.")
    ] = False,
    seed: Seed = 0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the estimate; train nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Train a student on the data that `distill export` wrote.

    On this machine, an adapter (LoRA) is trained on all linear layers of an
    open model, on a GPU if there is one; that needs the extra `train`. The
    loss counts the answers alone, and questions are put in the model's own
    chat template. At a provider, the data are uploaded and a job started.

    The same command goes on where it was interrupted or killed, and a student
    that is there is not trained again.

    Examples:
      fusion-agents distill train --data data --base Qwen/Qwen3-0.6B --out student
      fusion-agents distill train --data data --base models/llama --out students --per-task
      fusion-agents distill train --data data --base gpt-4.1-mini-2025-04-14 --out student \
--provider openai
    """
    from fusion_agents.distill.training.runs import has_begun

    check_folder(out)
    given: TrainingOptions | OpenAIJobOptions
    if provider == "openai":
        given = _openai_options(
            {"epochs": epochs, "batch": batch, "seed": seed, "base_url": base_url}
            | {"api_key_env": api_key_env, "job": job, "start_again": start_again}
            | {"suffix": suffix, "delete_upload": delete_upload}
        )
        if cancel:
            _cancel(out, given)
            return
    else:
        given = _local_options(
            {"epochs": epochs, "batch": batch, "seed": seed, "accumulation": accumulation}
            | {"rank": rank, "alpha": alpha, "learning_rate": learning_rate, "merge": merge}
            | {"max_length": max_length, "patience": patience, "per_task": per_task}
            | {"chat_template": _text(chat_template), "threads": threads or _cores()}
        )
    if log is None:
        say("without --log, nobody looks whether any of the data was withdrawn since the export")
    with ExitStack() as stack:
        opened = _open(log, stack)
        begun = has_begun(out) and not start_again
        if dry_run or not begun:
            _estimate(data, base, given, opened, measured=0 if yes and not dry_run else 3)
        if dry_run:
            return
        if not (begun or yes):
            typer.confirm("Train?", abort=True, err=True)
        students = _train(data, base, out, name, given, opened)
    sum_up(students, out, data, log)


def _train(
    data: Path, base: str, out: Path, name: str, options: Any, log: "RoutingLog | None"
) -> "list[Student]":
    from fusion_agents.distill.training.local import train_student
    from fusion_agents.distill.training.openai_jobs import standing, train_with_openai
    from fusion_agents.distill.training.options import TrainingOptions

    try:
        with training_progress() as on_progress:
            if isinstance(options, TrainingOptions):
                return train_student(
                    data, base, out, name=name, options=options, log=log, on_progress=on_progress
                )
            return [
                asyncio.run(
                    train_with_openai(
                        data,
                        base,
                        out,
                        name=name,
                        options=options,
                        log=log,
                        on_progress=on_progress,
                    )
                )
            ]
    except KeyboardInterrupt:
        if not isinstance(options, TrainingOptions):
            say(standing(out))
        say(f"interrupted; to go on:\n  {this_command()}")
        raise typer.Exit(INTERRUPTED) from None


def _cancel(out: Path, options: "OpenAIJobOptions") -> None:
    from fusion_agents.distill.training.openai_jobs import cancel_openai

    say(f"the job is {asyncio.run(cancel_openai(out, options=options))} now")


def _estimate(
    data: Path, base: str, options: Any, log: "RoutingLog | None", *, measured: int
) -> None:
    from fusion_agents.distill.training.estimating import estimate_training
    from fusion_agents.distill.training.openai_jobs import estimate_openai
    from fusion_agents.distill.training.options import TrainingOptions

    if isinstance(options, TrainingOptions):
        estimate = estimate_training(data, base, options, log=log, measured=measured)
        lines = show_local_estimate(estimate)
    else:
        lines = show_openai_estimate(estimate_openai(data, base, options))
    for line in lines:
        results().print(line, soft_wrap=True)


def _open(log: Path | None, stack: ExitStack) -> "RoutingLog | None":
    from fusion_agents.stores.opening import open_log

    return stack.enter_context(open_log(log, read_only=True)) if log else None


def _local_options(given: dict[str, Any]) -> "TrainingOptions":
    from fusion_agents.distill.training.options import TrainingOptions

    return _checked(TrainingOptions, given)


def _openai_options(given: dict[str, Any]) -> "OpenAIJobOptions":
    from fusion_agents.distill.training.openai_options import OpenAIJobOptions

    return _checked(OpenAIJobOptions, given)


def _checked(options: "type[Chosen]", given: dict[str, Any]) -> "Chosen":
    from pydantic import ValidationError

    from fusion_agents.errors import ConfigError

    try:
        return options(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]).replace("_", "-")
        raise ConfigError(f"--{name} {first['input']}: {first['msg'].lower()}") from None


def _text(path: Path | None) -> str | None:
    return None if path is None else path.read_text("utf-8")


def _cores() -> int:
    """Those that this process may use; the command line leaves libraries one, which is too few."""
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
