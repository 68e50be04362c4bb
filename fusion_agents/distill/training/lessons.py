"""What a student learns from: the data that may be used, as tokens of the base, split by chance."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from fusion_agents.distill.data.dataset import Dataset, read_dataset, without_withdrawn
from fusion_agents.distill.data.prompting import prompt_of, turns_of
from fusion_agents.distill.nouns import Example
from fusion_agents.distill.training.encoding import Encoded, Encoder, Row
from fusion_agents.distill.training.options import TrainingOptions
from fusion_agents.distill.training.splitting import split_examples
from fusion_agents.errors import EmptyLogError
from fusion_agents.stores.routing_log import RoutingLog

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class Material(NamedTuple):
    """A folder's data, without what was withdrawn since."""

    dataset: Dataset
    fingerprint: str
    """Of the folder's data, whatever was withdrawn."""
    withdrawn: int


class Lesson(NamedTuple):
    """What one adapter learns from."""

    tokenizer: "PreTrainedTokenizerBase"
    train: list[Row]
    evaluation: list[Row]
    """Kept for the curve."""
    tasks: tuple[str, ...]
    """Of the examples that are left."""
    dropped: Counter[str]
    """Examples that are neither, by reason."""

    @property
    def n_tokens(self) -> int:
        """Of the prompts and answers that are learned from, seen once."""
        return sum(len(row["input_ids"]) for row in self.train)


def read_material(folder: Path, log: RoutingLog | None) -> Material:
    """Read training data, and leave out what was withdrawn since.

    Raises:
        DataError: If the data are damaged.
        EmptyLogError: If none is left.
    """
    dataset = read_dataset(folder)
    fingerprint = dataset.manifest.fingerprint
    rest, withdrawn = (dataset, 0) if log is None else without_withdrawn(dataset, log)
    if not rest.data.examples:
        raise EmptyLogError(
            f"no example is left to learn from in {str(folder)!r}: {withdrawn:,} were withdrawn "
            "since the export"
        )
    return Material(rest if withdrawn else dataset, fingerprint, withdrawn)


def examples_by_task(examples: Sequence[Example]) -> dict[str, list[Example]]:
    """Examples of each task, in the order of the names; those of no task under the empty name."""
    found: dict[str, list[Example]] = defaultdict(list)
    for example in examples:
        found[example.query.task or ""].append(example)
    return {task: found[task] for task in sorted(found)}


def make_lesson(
    dataset: Dataset, base: str, options: TrainingOptions, examples: Sequence[Example]
) -> Lesson:
    """Turn some of a dataset's examples into tokens of a base, and keep a few for the curve.

    Raises:
        ConfigError: If the base's chat template does not serve.
        EmptyLogError: If no example is left.
    """
    tokenizer, encoded = encode(dataset, base, options, examples)
    split = split_examples(encoded.examples, options.eval_share, options.seed)
    return Lesson(
        tokenizer=tokenizer,
        train=[encoded.rows[i] for i in split.train],
        evaluation=[encoded.rows[i] for i in split.evaluation],
        tasks=tuple(sorted({one.query.task for one in encoded.examples if one.query.task})),
        dropped=encoded.dropped,
    )


def encode(
    dataset: Dataset, base: str, options: TrainingOptions, examples: Sequence[Example]
) -> tuple["PreTrainedTokenizerBase", Encoded]:
    """Turn some of a dataset's examples into tokens of a base.

    Raises:
        ConfigError: If the base's chat template does not serve.
        EmptyLogError: If no example is left.
    """
    from fusion_agents.distill.training.loading import (  # noqa: PLC0415 - needs the extra
        load_tokenizer,
        stop_tokens,
    )

    tokenizer = load_tokenizer(base, options.chat_template)
    encoder = Encoder(tokenizer, stop_tokens(base, tokenizer), options.max_length)
    strategy = dataset.manifest.strategy
    encoded = encoder.encode((one, turns_of(prompt_of(one.query, strategy))) for one in examples)
    if not encoded.rows:
        reasons = "; ".join(f"{n:,} {reason}" for reason, n in encoded.dropped.items())
        raise EmptyLogError(f"no example is left to learn from: {reasons}")
    return tokenizer, encoded
