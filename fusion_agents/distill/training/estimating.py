"""What a training on this machine takes: counted exactly, and timed over a few real steps."""

import tempfile
from collections import Counter
from pathlib import Path

from pydantic import Field

from fusion_agents.distill.training.lessons import (
    Lesson,
    examples_by_task,
    make_lesson,
    read_material,
)
from fusion_agents.distill.training.local import place, require_extra
from fusion_agents.distill.training.options import TrainingOptions
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.types import Noun, Seconds, Tokens


class TrainingEstimate(Noun):
    """What a training takes."""

    students: int = Field(ge=0)
    """That there will be."""
    n_examples: int = Field(ge=0)
    """That are learned from."""
    n_evaluation: int = Field(ge=0)
    """Kept for the curve."""
    dropped: dict[str, int]
    """Examples that are neither, by reason."""
    tokens: Tokens
    """Of an epoch."""
    epochs: int
    steps: int
    device: str
    tokens_per_second: float | None = None
    """Over a few steps; none if they were not tried."""

    @property
    def seconds(self) -> Seconds | None:
        """That the steps take; evaluation comes on top of it."""
        if not self.tokens_per_second:
            return None
        return self.tokens * self.epochs / self.tokens_per_second


def estimate_training(
    data: Path,
    base: str,
    options: TrainingOptions = TrainingOptions(),  # noqa: B008 - frozen
    *,
    log: RoutingLog | None = None,
    measured: int = 3,
) -> TrainingEstimate:
    """Count what a training takes; nothing is kept.

    Args:
        data: A folder of training data.
        base: A folder that Transformers saved, or a name on the hub.
        options: Of the training.
        log: That the data come from.
        measured: Steps that are tried for the time, after one to warm up; 0 loads no weights.

    Raises:
        MissingExtraError: If the extra `train` is not installed.
        ConfigError: If the base cannot be trained.
        DataError: If the data are damaged.
        EmptyLogError: If no example is left to learn from.
    """
    require_extra()
    from fusion_agents.distill.training.loading import device_name, quietly  # noqa: PLC0415
    from fusion_agents.distill.training.trainer import tokens_per_second  # noqa: PLC0415
    from fusion_agents.distill.training.watching import n_steps  # noqa: PLC0415

    dataset = read_material(data, log).dataset
    with quietly():
        lessons, small = [], 0
        tasks = examples_by_task(dataset.data.examples) if options.per_task else {}
        for examples in tasks.values() if options.per_task else [dataset.data.examples]:
            if options.per_task and len(examples) < options.per_task_minimum:
                small += len(examples)
            else:
                lessons.append(make_lesson(dataset, place(base), options, examples))
        speed = None
        if measured and lessons:
            with tempfile.TemporaryDirectory() as folder:
                longest = max(lessons, key=lambda one: one.n_tokens)
                speed = tokens_per_second(place(base), longest, options, Path(folder), measured)
    return TrainingEstimate(
        students=len(lessons),
        n_examples=sum(len(one.train) for one in lessons),
        n_evaluation=sum(len(one.evaluation) for one in lessons),
        dropped=_dropped(lessons, small),
        tokens=sum(one.n_tokens for one in lessons),
        epochs=options.epochs,
        steps=sum(n_steps(one, options) for one in lessons),
        device=device_name(),
        tokens_per_second=speed,
    )


def _dropped(lessons: list[Lesson], small: int) -> dict[str, int]:
    dropped = sum((one.dropped for one in lessons), Counter[str]())
    return {**dropped, **({"their task has too few": small} if small else {})}
