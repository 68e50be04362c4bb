"""Where rows are: a dataset on the Hugging Face hub, its configuration and its split."""

from typing import NamedTuple


class Part(NamedTuple):
    """One split of one configuration of a dataset on the Hugging Face hub.

    >>> str(Part("openai/gsm8k", "main", "test", ("question", "answer")))
    'openai/gsm8k (main, test)'
    """

    dataset: str
    """Its id on the hub: `owner/name`."""
    config: str | None
    """Name of the configuration; none for the only one."""
    split: str
    """Name of the split there."""
    columns: tuple[str, ...]
    """The columns that are read."""

    def __str__(self) -> str:
        where = self.split if self.config is None else f"{self.config}, {self.split}"
        return f"{self.dataset} ({where})"


class Splits(NamedTuple):
    """Where the questions of each split come from; the same parts if they are divided later."""

    train: tuple[Part, ...]
    test: tuple[Part, ...]
