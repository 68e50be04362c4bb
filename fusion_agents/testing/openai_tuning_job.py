"""One fine-tuning job of the loopback server: its stages, events and checkpoints."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from fusion_agents.testing.openai_payload import Json

FINAL_STAGES = frozenset({"succeeded", "failed", "cancelled"})
_BATCH = 4
_SAYS = {
    "validating_files": "Validating training file",
    "queued": "Files validated, moving job to queued state",
    "running": "Fine-tuning job started",
    "cancelled": "Fine-tuning job cancelled",
}


@dataclass(kw_only=True)
class TuningJob:
    """A job that goes on by one stage whenever it is looked at."""

    body: Json
    """As the API gives it."""
    stages: Sequence[str]
    failure: str
    n_examples: int = 0
    tokens: int = 0
    """Of the training file."""
    events: list[Json] = field(default_factory=list)
    """The oldest first."""
    checkpoints: list[Json] = field(default_factory=list)
    _at: int = 0

    @classmethod
    def begin(
        cls, name: str, asked: Mapping[str, Any], stages: Sequence[str], failure: str
    ) -> Self:
        """Make a job of what a request asks for."""
        method = asked.get("method") or {}
        given = (method.get("supervised") or {}).get("hyperparameters") or {}
        body: Json = {
            "id": name,
            "object": "fine_tuning.job",
            "created_at": int(time.time()),
            "error": None,
            "fine_tuned_model": None,
            "finished_at": None,
            "hyperparameters": {"n_epochs": "auto", "batch_size": "auto", **given},
            "metadata": asked.get("metadata"),
            "method": asked.get("method"),
            "model": asked.get("model"),
            "organization_id": "org-loopback",
            "result_files": [],
            "seed": asked.get("seed") or 0,
            "status": stages[0],
            "trained_tokens": None,
            "training_file": asked.get("training_file"),
            "user_provided_suffix": asked.get("suffix"),
            "validation_file": None,
        }
        job = cls(body=body, stages=stages, failure=failure)
        job.tell(f"Created fine-tuning job: {name}")
        job._enter(stages[0])
        return job

    @property
    def model(self) -> str | None:
        """The fine-tuned model; none before it is there."""
        model: str | None = self.body["fine_tuned_model"]
        return model

    @property
    def epochs(self) -> int:
        """How often the data is gone through."""
        epochs = self.body["hyperparameters"]["n_epochs"]
        return epochs if isinstance(epochs, int) else 3

    def go_on(self) -> None:
        """Enter the next stage, if there is one."""
        if self.body["status"] not in FINAL_STAGES and self._at + 1 < len(self.stages):
            self._at += 1
            self._enter(self.stages[self._at])

    def cancel(self) -> bool:
        """End the job; false if it has ended already."""
        if self.body["status"] in FINAL_STAGES:
            return False
        self._enter("cancelled")
        return True

    def tell(self, message: str, data: Json | None = None, level: str = "info") -> None:
        """Add an event."""
        self.events.append(
            {
                "id": f"ftevent-{self.body['id']}-{len(self.events)}",
                "object": "fine_tuning.job.event",
                "created_at": int(time.time()),
                "level": level,
                "message": message,
                "data": data,
                "type": "metrics" if data else "message",
            }
        )

    def _enter(self, stage: str) -> None:
        self.body["status"] = stage
        if stage in _SAYS:
            self.tell(_SAYS[stage])
        if stage == "running":
            self._train()
        if stage == "failed":
            code = "invalid_training_file" if self._at == 1 else "server_error"
            self.body["error"] = {"code": code, "message": self.failure, "param": None}
            self.tell(self.failure, level="error")
        if stage == "succeeded":
            self._succeed()
        if stage in FINAL_STAGES:
            self.body["finished_at"] = int(time.time())

    def _train(self) -> None:
        if any(event["type"] == "metrics" for event in self.events):
            return  # it was paused, and runs again
        per_epoch = math.ceil(self.n_examples / _BATCH)
        steps = per_epoch * self.epochs
        for step in range(1, steps + 1):
            loss = round(2 / (1 + step / 4), 4)
            data = {"step": step, "train_loss": loss, "total_steps": steps}
            self.tell(f"Step {step}/{steps}: training loss={loss}", data)
            if step % per_epoch == 0:
                self._checkpoint(step, loss)

    def _checkpoint(self, step: int, loss: float) -> None:
        self.checkpoints.append(
            {
                "id": f"ftckpt-{self.body['id']}-{step}",
                "object": "fine_tuning.job.checkpoint",
                "created_at": int(time.time()),
                "fine_tuned_model_checkpoint": f"{self._name()}:ckpt-step-{step}",
                "fine_tuning_job_id": self.body["id"],
                "metrics": {"step": step, "train_loss": loss},
                "step_number": step,
            }
        )

    def _name(self) -> str:
        suffix = self.body.get("user_provided_suffix") or ""
        return f"ft:{self.body['model']}:loopback:{suffix}:{self.body['id'].removeprefix('ftjob-')}"

    def _succeed(self) -> None:
        self.body["fine_tuned_model"] = self._name()
        self.body["trained_tokens"] = self.tokens * self.epochs
        self.tell(f"New fine-tuned model created: {self._name()}")
        self.tell("The job has successfully completed")
