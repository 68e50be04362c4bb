"""What distillation hands from step to step: examples, pairs, the data, the student."""

from pathlib import Path
from typing import Literal, Self

from pydantic import AwareDatetime, Field, JsonValue, model_validator

from fusion_agents.students.files import place_in
from fusion_agents.types import (
    Derived,
    Dollars,
    Noun,
    Query,
    Score,
    Seconds,
    Tokens,
    content_key,
)

ExampleKind = Literal["answer", "label"]
Provider = Literal["local", "openai"]

COMPARISON_SOURCE = "evaluation"
"""Source of log entries that a comparison gave: routers learn from them, students do not."""


class Example(Noun):
    """A question and one answer to it that a student shall learn.

    >>> one = Example(query=Query(text="2 + 2?"), answer="4", kind="label")
    >>> one.key == Example(query=Query(text="2 + 2?"), answer="4", kind="label").key
    True
    """

    key: Derived = ""
    """Unique in the data; derived from the question and the answer if there is none."""
    query: Query
    """As it was asked where it got most right answers."""
    answer: str = Field(min_length=1)
    """What the student shall say."""
    kind: ExampleKind
    """`answer`: a teacher's, from the log; `label`: made of the ground truth."""
    teacher: str | None = None
    """The model whose answer it is; none for a label."""
    performance: Score | None = None
    """As it was measured; none if it was not."""
    judge: Score | None = None
    """The newest trusted score of a judge, in [0, 1]; none if there is none."""
    entry_keys: tuple[str, ...] = ()
    """Lineage: the log entries that gave this answer; of a label, those that asked the question."""
    sources: tuple[str, ...] = ()
    """Of those entries, each once."""
    tenants: tuple[str, ...] = ()
    """Likewise."""

    @model_validator(mode="after")
    def _derive_key(self) -> Self:
        if not self.key:
            object.__setattr__(self, "key", content_key(self.query.id, self.answer))
        return self


class PreferencePair(Noun):
    """A right and a wrong answer to one question."""

    query: Query
    chosen: str = Field(min_length=1)
    rejected: str = Field(min_length=1)
    chosen_keys: tuple[str, ...]
    """Lineage: the log entries that gave the right answer."""
    rejected_keys: tuple[str, ...]
    """The same of the wrong one."""
    sources: tuple[str, ...] = ()
    tenants: tuple[str, ...] = ()


class Dropped(Noun):
    """How many answers or questions were left out for one reason."""

    reason: str
    """In words, such as `near-duplicate of a held-out query`."""
    what: Literal["answers", "questions"]
    n: int = Field(ge=0)
    by_task: dict[str, int] = Field(default_factory=dict)
    """The same by task; questions without one under the empty name."""


class SelectionReport(Noun):
    """What was taken from a log, what was left out, and why."""

    criterion: str
    n_questions: int
    """That the log has, near-duplicates counted once."""
    n_examples: int
    n_pairs: int
    by_task: dict[str, int]
    """Examples of each task."""
    by_teacher: dict[str, int]
    """Examples of each model."""
    lengths: dict[str, float]
    """Characters of the answers: `min`, `median`, `p95`, `max`; empty without examples."""
    dropped: tuple[Dropped, ...]
    """In the order of the checks."""
    n_answers: int = 0
    """That the log has, failed attempts among them: those of the examples and those dropped."""
    before_balance: dict[str, int] = Field(default_factory=dict)
    """Examples of each task before tasks were balanced."""
    notes: tuple[str, ...] = ()
    """What else to know: what balance did, how alike the lengths of pairs are."""


class TrainingData(Noun):
    """What a student learns from."""

    examples: tuple[Example, ...]
    pairs: tuple[PreferencePair, ...] = ()
    report: SelectionReport
    options: dict[str, JsonValue] = Field(default_factory=dict)
    """The selection's, as they were given."""


class Student(Noun):
    """A trained model, as `student.json` in its folder says."""

    name: str = Field(min_length=1)
    """What it is called in the pool."""
    spec: str = Field(min_length=1)
    """How the pool makes it: `student:FOLDER`, or `openai:ft:...`."""
    base: str = Field(min_length=1)
    """The model that it was made of: a folder, a name on the hub, or the provider's."""
    base_spec: str = Field(min_length=1)
    """How the pool makes that, so that both are asked in the same way."""
    provider: Provider
    strategy: str = "direct"
    """How questions were put in training; asking it otherwise is asking for less."""
    data: str
    """Fingerprint of the data that it learned from (`Manifest.fingerprint`)."""
    n_examples: int = Field(ge=0)
    tasks: tuple[str, ...] = ()
    """Of the examples; of an adapter for one task, that task alone."""
    tokens: Tokens | None = None
    """Trained on, over all epochs."""
    seconds: Seconds | None = None
    """That training took."""
    cost: Dollars | None = None
    """Of the training, where a provider says it."""
    loss: float | None = None
    """Mean over the last steps, per token of an answer."""
    settings: dict[str, JsonValue] = Field(default_factory=dict)
    """The training's, all of them: enough to do it again."""
    time: AwareDatetime | None = None

    @property
    def folder(self) -> Path | None:
        """Where it is on this machine; none if a provider has it."""
        place = place_in(self.spec)
        return None if place is None else Path(place)
