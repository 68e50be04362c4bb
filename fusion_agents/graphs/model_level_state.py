"""What the model-level graph keeps between its nodes: plain JSON, and no data of a log."""

from typing import Any

from typing_extensions import TypedDict


class ModelLevelInput(TypedDict):
    """What a run takes."""

    plan: dict[str, Any]
    """A `fusion_agents.distill.plan.Plan` as JSON; what it leaves out is as usual."""


class DataState(TypedDict):
    """The training data; they themselves are in their folder."""

    folder: str
    fingerprint: str
    n_examples: int
    n_pairs: int
    report: dict[str, Any]
    """The `fusion_agents.distill.nouns.SelectionReport`."""
    files: list[str]


class Registration(TypedDict):
    """What became of a student."""

    student: str
    registered: bool
    reason: str


class ModelLevelState(ModelLevelInput, total=False):
    """What a run keeps."""

    data: DataState
    estimate: dict[str, Any]
    """The `fusion_agents.distill.estimating.DistillEstimate`, with its `cost` and `words`."""
    approved: bool
    students: list[dict[str, Any]]
    """Each a `fusion_agents.distill.nouns.Student`."""
    comparisons: list[dict[str, Any]]
    """Of each student, a `fusion_agents.distill.comparing.comparison.Comparison`."""
    registrations: list[Registration]


class ModelLevelUpdate(TypedDict, total=False):
    """What a node gives."""

    data: DataState
    estimate: dict[str, Any]
    approved: bool
    students: list[dict[str, Any]]
    comparisons: list[dict[str, Any]]
    registrations: list[Registration]
