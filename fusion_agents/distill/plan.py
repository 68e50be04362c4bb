"""All that one distillation is told before it begins."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from fusion_agents.distill.nouns import Provider
from fusion_agents.distill.selecting.options import SelectionOptions
from fusion_agents.distill.training.openai_options import OpenAIJobOptions
from fusion_agents.distill.training.options import TrainingOptions
from fusion_agents.pool.tables import Price
from fusion_agents.types import Dollars, Noun

Share = Annotated[float, Field(gt=0, lt=1)]


class Plan(Noun):
    """From a log to a student in the pool: what is selected, trained, compared and registered.

    >>> Plan(log="routing.db", base="base", out="student").provider
    'local'
    """

    log: str = Field(min_length=1)
    """Path of the routing log that teaches, and that is told of the student's first answers."""
    base: str = Field(min_length=1)
    """What the student is made of: a folder that Transformers saved, a name on the hub, or the
    provider's model."""
    out: str = Field(min_length=1)
    """Folder of the distillation: `data/` and `student/`; made if it is missing."""
    name: str = Field(default="student", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    """What the student is called in the pool."""
    provider: Provider = "local"
    """Who trains: this machine, or a provider that speaks OpenAI's API."""
    strategy: str = "direct"
    """How questions are put, in training, in the comparison and in use."""
    formats: tuple[str, ...] = ("trl",)
    """Export formats that are written beside the data."""
    selection: SelectionOptions = SelectionOptions()
    training: TrainingOptions = TrainingOptions()
    """Of `local`."""
    job: OpenAIJobOptions = OpenAIJobOptions()
    """Of `openai`."""

    test_split: str = "test"
    """Queries that base and student are compared on, and that nobody learns from."""
    test_share: Share = 0.2
    """Of the queries, where the log has no such split."""
    n_test: Annotated[int, Field(ge=1)] | None = None
    """Queries of each task, at most; none for all."""
    max_tokens: Annotated[int, Field(ge=1)] = 1_024
    """Of an answer, of both."""
    concurrency: Annotated[int, Field(ge=1)] = 8
    """Calls at a time in the comparison."""

    record: bool = True
    """Whether the log is told of a part of the comparison, so that routers learn of the student."""
    record_share: Annotated[float, Field(gt=0, le=1)] = 0.5
    """That part: the rest stays unseen, to test a router with."""
    models: str | None = None
    """Path of the `models.toml` in which the student is registered; none: nowhere."""
    price: Price | None = None
    """Dollars per million tokens that the student will cost; without it, a local one costs
    nothing, and of a provider's it is not known."""
    register_if: Literal["helped", "always"] = "helped"
    """Register a student only if it is certainly better than its base somewhere, or in any case."""
    approve_up_to: Dollars | None = None
    """Go on without asking if all is known to cost no more than this; none: always ask."""

    @model_validator(mode="after")
    def _can_be_compared(self) -> Self:
        if self.provider == "local" and self.training.chat_template is not None:
            raise ValueError(
                "training.chat_template is not the base's, so the two could not be asked alike: "
                "save the base with that chat template"
            )
        return self
