"""How far a training has come: for whoever watches, and in a file that outlives the process."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from pydantic import AwareDatetime, Field, ValidationError

from fusion_agents.stores.formats.writing import replacing
from fusion_agents.types import Noun, Seconds, Tokens


@dataclass(kw_only=True)
class TrainingProgress:
    """Where a training is; the same object from the beginning to the end."""

    student: str = ""
    """That is trained now."""
    phase: str = "reading"
    """`reading`, `loading`, `training`, `saving`, or `done`."""
    students: int = 1
    """That there will be."""
    step: int = 0
    steps: int | None = None
    """None as long as it is not known."""
    loss: float | None = None
    """Per token of an answer, over the steps since it was last said."""
    eval_loss: float | None = None
    tokens_per_second: float | None = None
    """Of prompts and answers, without padding; evaluation and saving count as time."""
    seconds_left: Seconds | None = None
    notes: list[str] = field(default_factory=list)
    """What the user should know, in words: what was left out, and where it goes on."""


class ProgressRow(Noun):
    """One line of `progress.jsonl`."""

    step: int = Field(ge=0)
    steps: int = Field(ge=0)
    """In all."""
    loss: float | None = None
    """Mean over the steps since the row before, per token of an answer."""
    eval_loss: float | None = None
    """On the examples that are kept for the curve."""
    learning_rate: float | None = None
    tokens: Tokens = 0
    """Seen until here, without padding."""
    seconds: Seconds = 0.0
    """That training took until here, over all processes."""
    time: AwareDatetime


class ProgressFile:
    """Appends rows to a file; what was written after the checkpoint that is gone on from goes.

    Args:
        path: Of the file.
        step: That training goes on from; 0 begins it anew.
    """

    def __init__(self, path: Path, step: int) -> None:
        kept = [row for row in read_progress(path) if row.step <= step] if step else []
        with replacing(path) as file:
            file.writelines(_line(row).encode() for row in kept)
        handle = os.open(path, os.O_WRONLY | os.O_APPEND)
        self._file: TextIO = os.fdopen(handle, "w", encoding="utf-8")

    def append(self, row: ProgressRow) -> None:
        """Write a row; it is in the file when this returns."""
        self._file.write(_line(row))
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read_progress(path: Path) -> list[ProgressRow]:
    """Read the rows of a file; a line that a kill cut off is passed over, as is a missing file."""
    if not path.exists():
        return []
    rows = []
    for line in path.read_text("utf-8", errors="replace").splitlines():
        try:
            rows.append(ProgressRow.model_validate_json(line))
        except ValidationError:
            continue
    return rows


def _line(row: ProgressRow) -> str:
    return f"{json.dumps(row.model_dump(mode='json', exclude_none=True))}\n"
