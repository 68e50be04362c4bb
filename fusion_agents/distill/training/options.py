"""How a student is trained: the neutral defaults, and which of them change what it learns."""

from typing import Literal

from pydantic import Field, JsonValue

from fusion_agents.types import Noun

_ONLY_HOW = frozenset({"save_steps", "threads", "merge"})
"""Options that change how a training runs, not what the student becomes."""


class TrainingOptions(Noun):
    """Options of a training with LoRA adapters on all linear layers.

    Rank, learning rate, epochs, schedule, warm-up and length are those of FusionFactory
    (arXiv 2507.10540), a neutral starting point.

    >>> TrainingOptions(rank=16).learning()["rank"]
    16
    """

    rank: int = Field(default=8, ge=1)
    """Of the adapter's matrices."""
    alpha: int = Field(default=16, ge=1)
    """The adapter is scaled by alpha / rank."""
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Share of the adapter's inputs that is left out at a time."""
    learning_rate: float = Field(default=1e-4, gt=0.0, allow_inf_nan=False)
    """The highest, after the warm-up."""
    epochs: int = Field(default=3, ge=1)
    """How often each example is seen."""
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    """How the learning rate falls after the warm-up."""
    warmup: float = Field(default=0.1, ge=0.0, lt=1.0)
    """Share of the steps in which the learning rate rises."""
    weight_decay: float = Field(default=0.0, ge=0.0)
    """Of the adapter's weights."""
    max_length: int = Field(default=2048, ge=8)
    """Tokens of question and answer; a longer example is left out, never cut."""
    batch: int = Field(default=4, ge=1)
    """Examples that are computed at a time."""
    accumulation: int = Field(default=4, ge=1)
    """Such batches in a step: a step learns from `batch * accumulation` examples."""
    seed: int = Field(default=0, ge=0, le=2**32 - 1)
    """For the adapter's first weights, the order of the examples, the split and the dropout."""
    eval_share: float = Field(default=0.05, ge=0.0, le=0.5)
    """Of the examples, kept for the curve: near-duplicate questions stay on one side."""
    patience: int | None = Field(default=None, ge=1)
    """Stop after so many evaluations without a lower loss, and keep the best; none to go on."""
    per_task: bool = False
    """One adapter for each task instead of one for all."""
    per_task_minimum: int = Field(default=20, ge=1)
    """Examples that a task needs for an adapter of its own."""
    chat_template: str | None = None
    """Jinja text, for a base that has no chat template; none for the base's own."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of the base: `auto` is bfloat16 on a GPU that can, else float32. Adapters are float32."""
    gradient_checkpointing: bool | None = None
    """Compute activations twice to save memory; none: on a GPU only."""
    save_steps: int | None = Field(default=None, ge=1)
    """Steps between two checkpoints; none: about a minute. The student does not depend on it."""
    threads: int | None = Field(default=None, ge=1)
    """Of the CPU; none leaves them as they are. The last bits of a result depend on them."""
    merge: bool = False
    """Also write the base with the adapter in it, as a model of its own."""

    def learning(self) -> dict[str, JsonValue]:
        """The options that decide what the student becomes."""
        return self.model_dump(mode="json", exclude=set(_ONLY_HOW))
