"""What may be taken out of a log for a student, and how much of it."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from fusion_agents.right_answers.candidates import Floors
from fusion_agents.types import Noun, Score

Criterion = Literal["performance", "judge", "hybrid", "label"]
Balance = Literal["none", "even", "sqrt", "temperature"]

Count = Annotated[int, Field(ge=1)]
Names = tuple[str, ...]


class SelectionOptions(Noun):
    """How training data is selected.

    >>> SelectionOptions(criterion="judge", k=3, balance="sqrt").k
    3
    """

    criterion: Criterion = "hybrid"
    """How right answers are ordered: `performance`; `judge`; `hybrid` (by the judge, of the first
    2 k by performance); `label`: the ground truth alone, each question once."""
    k: Count = 5
    """Answers to one question, at most."""
    min_performance: Score = 1.0
    """Measured performance from which on an answer is right."""
    min_judge: Score = 0.7
    """The same of a trusted judge's score, calibrated where it can be, where none was measured."""
    score_missing: bool = True
    """Whether answers whose performance is missing are scored by their query's metric."""

    split: str = "train"
    """Of the queries to learn from; those without a split are the log's own, and count as this."""
    tasks: Names | None = None
    """Only these; none for all."""
    tenants: Names | None = None
    """Only these; none for all that consented."""
    exclude_models: Names = ()
    """Whose answers are left out, such as those of earlier students: no training on oneself."""
    reference_models: Names = ()
    """Under these names the log holds reference solutions: with `label`, they go before any
    teacher's where the ground truth is no answer (programs: it is their tests)."""

    max_tokens: Count | None = 2_048
    """Of question and answer together, at three bytes a token; what training would cut off
    teaches never to end. None for no limit."""
    max_characters: Count | None = None
    """Of an answer."""
    outliers: Annotated[float, Field(gt=0)] | None = 3.5
    """An answer is left out if its length (its logarithm) is more than so many robust standard
    deviations above the median of the task's right answers; none keeps all."""
    similarity: Annotated[float, Field(gt=0, le=1)] = 0.9
    """Jaccard similarity of their runs of three words from which on two answers say the same."""

    balance: Balance = "none"
    """`none`; `even`: as many examples of each task as the rarest has; `temperature`: in
    proportion to n ** (1 / temperature), the rarest whole; `sqrt`: that with temperature 2."""
    temperature: Annotated[float, Field(ge=1)] = 2.0
    """From 1, which changes nothing, to large, which is `even`."""
    per_task: Count | None = None
    """Examples of each task, at most, under any balance."""

    pairs: Annotated[int, Field(ge=0)] = 1
    """Preference pairs of each exported question, at most."""
    pair_margin: Score = 0.5
    """By how much the wrong answer of a pair must have scored less than the right one."""
    pair_length_ratio: Annotated[float, Field(ge=1)] = 2.0
    """Longest answer of a pair over its shortest, at most: length must not tell them apart."""
    pair_cut_off: bool = False
    """Whether answers that were cut off may be the wrong ones."""

    seed: Annotated[int, Field(ge=0)] = 0
    """Of the draw of the questions that balance leaves out."""

    @model_validator(mode="after")
    def _means_something(self) -> Self:
        for name in ("tasks", "tenants"):
            if getattr(self, name) == ():
                raise ValueError(f"{name} is empty, so nothing can be selected: leave it out")
        return self

    @property
    def floors(self) -> Floors:
        """From where on an answer counts as right."""
        return Floors(self.min_performance, self.min_judge)
