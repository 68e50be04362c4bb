"""Following a fine-tuning job until it ends: its events become progress and a curve."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from openai.types.fine_tuning import FineTuningJob, FineTuningJobEvent

from fusion_agents.distill.training.curve import write_curve
from fusion_agents.distill.training.openai_options import OpenAIJobOptions
from fusion_agents.distill.training.openai_provider import FINAL, Provider
from fusion_agents.distill.training.progress import ProgressFile, ProgressRow, TrainingProgress

_LAST = 10
"""Rows whose mean is the loss of the student."""


class JobFollower:
    """Looks at a job until it has ended.

    `progress.jsonl` is written anew from the job's events by whoever follows it, so that nothing
    is there twice and nothing is missing, however often following was broken off.

    Args:
        provider: That has the job.
        options: How often it is looked at.
        out: Folder of the progress and the curve.
        progress: Kept up to date.
        show: Called when that has changed.
    """

    def __init__(
        self,
        provider: Provider,
        options: OpenAIJobOptions,
        out: Path,
        progress: TrainingProgress,
        show: Callable[[], None],
    ) -> None:
        self._provider = provider
        self._options = options
        self._out = out
        self._progress = progress
        self._show = show
        self._known: dict[str, None] = {}
        self._rows: list[ProgressRow] = []

    @property
    def loss(self) -> float | None:
        """Mean over the last steps; none if the provider said nothing of it."""
        losses = [row.loss for row in self._rows[-_LAST:] if row.loss is not None]
        return sum(losses) / len(losses) if losses else None

    async def follow(self, name: str) -> FineTuningJob:
        """Look at the job until it has ended; returns it as it is then."""
        file = ProgressFile(self._out / "progress.jsonl", 0)
        try:
            pause, before = self._options.poll, ""
            while True:
                job = await self._provider.job(name)
                self._progress.phase = job.status
                found = await self._take_events(job, file)
                self._show()
                if job.status in FINAL:
                    return job
                changed = found or job.status != before
                pause = self._options.poll if changed else pause * 1.5
                before = job.status
                await asyncio.sleep(min(pause, self._options.poll_most))
        finally:
            file.close()

    def draw(self, title: str) -> None:
        """Draw the curve of the losses that the job told."""
        write_curve(self._rows, self._out / "curve.svg", title)

    async def _take_events(self, job: FineTuningJob, file: ProgressFile) -> bool:
        events = await self._provider.events(job.id, self._known)
        for event in events:
            self._known[event.id] = None
            row = _row(event, job)
            if row is None:
                if event.level != "info":
                    self._progress.notes.append(self._provider.safe(event.message))
                continue
            file.append(row)
            self._rows.append(row)
            self._progress.step, self._progress.steps = row.step, row.steps or None
            self._progress.loss = row.loss
            self._progress.eval_loss = row.eval_loss or self._progress.eval_loss
        return bool(events)


def _row(event: FineTuningJobEvent, job: FineTuningJob) -> ProgressRow | None:
    """What an event tells of a step; none if it tells of something else."""
    data: Any = event.data
    if not isinstance(data, dict) or not isinstance(data.get("step"), int):
        return None
    valid = _number(data.get("full_valid_loss"))
    return ProgressRow(
        step=max(data["step"], 0),
        steps=max(int(_number(data.get("total_steps")) or 0), 0),
        loss=_number(data.get("train_loss")),
        eval_loss=_number(data.get("valid_loss")) if valid is None else valid,
        seconds=max(event.created_at - job.created_at, 0),
        time=datetime.fromtimestamp(event.created_at, UTC),
    )


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < float("inf") else None
