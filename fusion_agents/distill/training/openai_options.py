"""How a student is trained by a provider that speaks OpenAI's API."""

import re

from pydantic import Field, JsonValue

from fusion_agents.types import Noun, Seconds

_ONLY_HOW = frozenset(
    {"api_key_env", "poll", "poll_most", "timeout", "settle", "unreachable"}
    | {"start_again", "delete_upload", "job"}
)
"""Options that change how a job is followed, not what the student becomes."""


class OpenAIJobOptions(Noun):
    """Options of a fine-tuning job.

    >>> OpenAIJobOptions(epochs=2).learning()["epochs"]
    2
    """

    epochs: int = Field(default=3, ge=1, le=50)
    """How often each example is seen; always said, so that the cost can be estimated."""
    batch: int | None = Field(default=None, ge=1, le=256)
    """Examples in a step; none leaves it to the provider."""
    learning_rate_multiplier: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Of the provider's own learning rate; none leaves it to the provider."""
    seed: int = Field(default=0, ge=0, le=2**31 - 1)
    suffix: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9-]{0,39}$")
    """Part of the model's name there; none takes the student's name."""
    base_url: str | None = None
    """Server in place of OpenAI's; none takes `OPENAI_BASE_URL`, or else OpenAI's."""
    api_key_env: str | None = Field(default=None, pattern=r"^[A-Z_][A-Z0-9_]*$")
    """Environment variable that holds the key; none takes `OPENAI_API_KEY`, but not for a
    `base_url`, whose key must be named."""

    poll: Seconds = Field(default=5.0, gt=0)
    """Between two looks at the job; it grows to `poll_most` as long as nothing changes."""
    poll_most: Seconds = Field(default=60.0, gt=0)
    timeout: Seconds = Field(default=60.0, gt=0)
    """Of one request; an upload has ten times as long."""
    settle: Seconds = 120.0
    """After a request whose end is not known, how long the provider's lists are looked at before
    the job is asked for once more."""
    unreachable: Seconds = 3600.0
    """How long a provider may fail to answer before following ends; the job goes on there."""
    start_again: bool = False
    """Start another job where the folder's last one failed, was cancelled or is done."""
    delete_upload: bool = False
    """Delete the uploaded file at the provider when the job has ended, well or not, and those of
    the folder's earlier jobs."""
    job: str | None = None
    """A job that was found at the provider by hand, to go on with where it lists no jobs."""

    def learning(self) -> dict[str, JsonValue]:
        """The options that decide what the student becomes."""
        return self.model_dump(mode="json", exclude=set(_ONLY_HOW))

    def method(self) -> dict[str, JsonValue]:
        """What the API calls the method of a job."""
        given: dict[str, JsonValue] = {
            "n_epochs": self.epochs,
            "batch_size": self.batch,
            "learning_rate_multiplier": self.learning_rate_multiplier,
        }
        chosen: dict[str, JsonValue] = {
            name: value for name, value in given.items() if value is not None
        }
        return {"type": "supervised", "supervised": {"hyperparameters": chosen}}

    def suffix_of(self, name: str, key: str) -> str:
        """Part of the model's name at the provider, by which its job is found there too.

        >>> OpenAIJobOptions().suffix_of("my student!", "0123456789abcdef")
        'my-student-01234567'
        """
        plain = re.sub(r"[^A-Za-z0-9]+", "-", self.suffix or name).strip("-")[:40]
        return f"{plain or 'student'}-{key[:8]}"
