"""What a task is: where its questions come from, how they are put, what the right answer is."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, ClassVar, Literal, NamedTuple, get_args

from fusion_agents.errors import ConfigError, DataError
from fusion_agents.tasks.hub import HubLoader
from fusion_agents.tasks.part import Part, Splits
from fusion_agents.tasks.sampling import blocks, halves, near_any, shuffled
from fusion_agents.types import Query

Split = Literal["train", "test"]
Row = Mapping[str, Any]
Loader = Callable[[Part], Sequence[Row]]
"""Gives the rows of one part: `HubLoader`, or any function."""


class Question(NamedTuple):
    """One row of a dataset, put as a question."""

    text: str
    """The question with all that belongs to it (passage, options), without the instruction."""
    answer: str | tuple[str, ...]
    """The right answer as the metric reads it, or all that are right."""
    gist: str = ""
    """What makes two questions the same one; `text` where empty."""

    @property
    def key(self) -> str:
        """What is compared to find the same question again."""
        return self.gist or self.text


@dataclass(kw_only=True)
class Task(ABC):
    """A named set of questions with their right answers, split into train and test.

    Which rows are drawn depends on the seed, the task, the split and the data only, never on what
    was drawn before, and fewer are the beginning of more. No train question has the words of a
    test question or is a near-duplicate of one, whichever of them are drawn; where the source has
    one split only, its questions are divided once and for all, near-duplicates together.
    The module's name is the task's name.
    """

    name: ClassVar[str]
    """As published logs spell it, with underscores: it is `Query.task`."""
    ability: ClassVar[str]
    """What it asks for, in a word or two: `mathematics`, `code`, ..."""
    metric: ClassVar[str]
    """Name of the metric that scores the responses."""
    instruction: ClassVar[str]
    """Says which form the answer must have; stands behind every question."""
    splits: ClassVar[Splits]
    """Where the questions of each split come from."""
    test_share: ClassVar[float | None] = None
    """Share of the questions that are test, where both splits come from the same part."""

    @abstractmethod
    def question(self, row: Row) -> Question | None:
        """Put a row as a question; none if the row has no right answer."""

    def samples(
        self, split: Split, n: int | None, seed: int, *, loader: Loader | None = None
    ) -> Iterator[Query]:
        """Draw questions without repeats.

        Args:
            split: `train` or `test`.
            n: How many; all for none, and all there are if there are fewer.
            seed: Decides which and in what order; not negative.
            loader: Gives the rows; `HubLoader()` for none.

        Raises:
            ConfigError: If an argument is out of range.
            MissingExtraError: If `datasets` is needed and not installed; when iterated.
            DataError: If the data cannot be had or has another shape; when iterated.
        """
        if split not in get_args(Split):
            raise ConfigError(f"unknown split {split!r}: use train or test")
        if seed < 0 or (n is not None and n < 0):
            raise ConfigError(f"n ({n}) and seed ({seed}) must not be negative")
        return islice(self._drawn(split, seed, loader or HubLoader()), n)

    def _drawn(self, split: Split, seed: int, loader: Loader) -> Iterator[Query]:
        seen = set[str]()
        for question in self._candidates(split, seed, loader):
            text = f"{question.text}\n\n{self.instruction}"
            if text in seen:
                continue
            seen.add(text)
            yield Query(
                text=text, task=self.name, ground_truth=question.answer, metric=self.metric,
                split=split,
            )  # fmt: skip

    def _candidates(self, split: Split, seed: int, loader: Loader) -> Iterator[Question]:
        if self.test_share is not None:
            yield from self._of_one_source(split, seed, loader, self.test_share)
            return
        rows = self._rows(split, loader)
        order = shuffled(len(rows), self.name, split, seed)
        if split == "test":
            yield from self._read(rows, order)
            return
        held_out = self._rows("test", loader)
        test = [one.key for one in self._read(held_out, range(len(held_out)))]
        for block in blocks(order):
            found = list(self._read(rows, block))
            near = near_any([one.key for one in found], test)
            yield from (one for one, drop in zip(found, near, strict=True) if not drop)

    def _of_one_source(
        self, split: Split, seed: int, loader: Loader, share: float
    ) -> Iterator[Question]:
        rows = self._rows(split, loader)
        found = list(self._read(rows, range(len(rows))))
        is_test = halves([one.key for one in found], share, self.name)
        for i in shuffled(len(found), self.name, split, seed):
            if is_test[i] == (split == "test"):
                yield found[i]

    def _rows(self, split: Split, loader: Loader) -> "_Rows":
        return _Rows([(part, loader(part)) for part in getattr(self.splits, split)])

    def _read(self, rows: "_Rows", order: Sequence[int]) -> Iterator[Question]:
        for number in order:
            part, at, row = rows.locate(number)
            try:
                question = self.question(row)
            except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
                raise DataError(
                    f"row {at} of {part} has not the shape that task {self.name!r} expects "
                    f"({type(error).__name__}: {error}); its columns are {', '.join(row)}"
                ) from error
            if question is not None:
                yield question


class _Rows:
    """The rows of several parts, one behind the other."""

    def __init__(self, parts: Sequence[tuple[Part, Sequence[Row]]]) -> None:
        self._parts = parts

    def __len__(self) -> int:
        return sum(len(rows) for _, rows in self._parts)

    def locate(self, number: int) -> tuple[Part, int, Row]:
        for part, rows in self._parts:
            if number < len(rows):
                return part, number, rows[number]
            number -= len(rows)
        raise IndexError(number)
