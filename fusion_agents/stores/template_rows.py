"""Thought templates as rows of the log's tables, and rows as templates."""

import json
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fusion_agents.stores.log_rows import Row, Value, microseconds, time_from
from fusion_agents.types import Noun, ThoughtTemplate

Status = Literal["active", "quarantined", "retired", "merged"]
Vector = NDArray[np.float32]

TEMPLATE_COLUMNS = (
    "key",
    "tenant",
    "source",
    "query_id",
    "task",
    "problem",
    "reasoning",
    "answer_format",
    "pitfall",
    "question",
    "entry_keys",
    "criterion",
    "summarizer",
    "prompt_version",
    "cost",
    "time",
)

_STORED = "<f4"


class Hit(NamedTuple):
    """A template that a search found."""

    template: ThoughtTemplate
    similarity: float
    """Cosine between its question and what was searched for, in [-1, 1]."""
    vector: Vector
    """Of its question, of length 1, shape (n_dims,)."""


class StoredTemplate(Noun):
    """A template and what became of it."""

    template: ThoughtTemplate
    status: Status
    """Only `active` templates are found by a search."""
    reason: str | None = None
    """Why it has that status."""


class Origin(NamedTuple):
    """A question that a template, or one that was merged into it, was distilled from."""

    query_id: str
    question: str


def template_values(template: ThoughtTemplate) -> tuple[Value, ...]:
    """The values of `TEMPLATE_COLUMNS`."""
    return (
        template.id,
        template.tenant,
        template.source,
        template.query_id,
        template.task,
        template.problem,
        template.reasoning,
        template.answer_format,
        int(template.pitfall),
        template.question,
        json.dumps(template.entry_keys) if template.entry_keys else None,
        template.criterion,
        template.summarizer,
        template.prompt_version,
        template.cost,
        None if template.time is None else microseconds(template.time),
    )


def template_from(row: Row) -> ThoughtTemplate:
    """Read `TEMPLATE_COLUMNS`."""
    value = dict(zip(TEMPLATE_COLUMNS, row, strict=True))
    return ThoughtTemplate(
        id=value.pop("key"),
        pitfall=bool(value.pop("pitfall")),
        entry_keys=json.loads(value.pop("entry_keys") or "[]"),
        time=time_from(value.pop("time")),
        **value,
    )


def vector_value(vector: Vector) -> bytes:
    """A vector as it is stored."""
    return vector.astype(_STORED).tobytes()


def matrix_from(stored: list[bytes]) -> NDArray[np.float32]:
    """Read vectors of one length, shape (n_vectors, n_dims)."""
    if not stored:
        return np.zeros((0, 0), dtype=np.float32)
    return np.frombuffer(b"".join(stored), dtype=_STORED).reshape(len(stored), -1)


def unit(vector: Vector) -> Vector:
    """The vector at length 1; one of length 0 stays as it is."""
    length = float(np.linalg.norm(vector))
    given: Vector = np.asarray(vector, dtype=np.float32)
    return given / np.float32(length) if length > 0 else given
