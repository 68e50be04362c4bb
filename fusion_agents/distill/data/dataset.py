"""A folder of training data: written at once, read with every byte checked.

`examples.jsonl` and `pairs.jsonl` hold what was selected, with its lineage; `manifest.json` says
what the folder holds; beside them lie the files of the export formats.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from langchain_core.messages import BaseMessage
from pydantic import JsonValue

from fusion_agents import __version__
from fusion_agents.distill.data.folders import replace_folder
from fusion_agents.distill.data.layout import EXAMPLES, MANIFEST, PAIRS, own_names, read_folder
from fusion_agents.distill.data.lineage import remaining
from fusion_agents.distill.data.manifest import FileNote, Manifest
from fusion_agents.distill.data.prompting import (
    check_strategy,
    prompt_of,
    prompting_digest,
    turns_of,
)
from fusion_agents.distill.data.screening import screened
from fusion_agents.distill.formats.base import Demonstration, ExportFormat, Material, Preference
from fusion_agents.distill.formats.catalogue import make_formats
from fusion_agents.distill.nouns import Example, TrainingData
from fusion_agents.errors import ConfigError, DataError, EmptyLogError
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.types import Noun

__all__ = [
    "Dataset",
    "material_of",
    "prompt_of",
    "prune_dataset",
    "read_dataset",
    "render",
    "without_withdrawn",
    "write_dataset",
]

DATASET_INFO = "dataset_info.json"


@dataclass(frozen=True)
class Dataset:
    """Training data with what their folder says of them."""

    data: TrainingData
    manifest: Manifest

    def messages(self, example: Example) -> list[BaseMessage]:
        """What a student is sent when it is asked an example's question."""
        return prompt_of(example.query, self.manifest.strategy)


def write_dataset(
    data: TrainingData,
    folder: Path,
    *,
    formats: Sequence[str] = ("trl",),
    strategy: str = "direct",
    base: str | None = None,
) -> Manifest:
    """Write training data to a folder, or what has become of them in place of what was there.

    What no student may learn (keys, control tokens, blank texts) is left out, and
    so is all ground truth; the manifest's report says how much. A kill leaves the folder as it
    was or as it shall be. The same data give the same bytes. Only the user may read them.

    Args:
        data: What was selected.
        folder: Made if it is missing; it may hold data that were written earlier.
        formats: Names of export formats, to be written beside our own files.
        strategy: How the questions are put.
        base: The model that the student shall be made of, for the files that name it.

    Raises:
        ConfigError: If there is no such format or strategy, the folder holds other files or cannot
            be written, or a trainer would turn the data down.
        EmptyLogError: If there is no example.
    """
    dataset, files = prepared(data, formats=formats, strategy=strategy, base=base)
    manifest = dataset.manifest.model_dump_json(indent=1).encode()
    replace_folder(folder, {**files, MANIFEST: manifest + b"\n"}, own_names)
    return dataset.manifest


def prepared(
    data: TrainingData,
    *,
    formats: Sequence[str] = ("trl",),
    strategy: str = "direct",
    base: str | None = None,
) -> tuple[Dataset, dict[str, bytes]]:
    """What `write_dataset` writes: the data, and each file but the manifest.

    Raises:
        ConfigError: As there.
        EmptyLogError: Likewise.
    """
    made = make_formats(formats)
    check_strategy(strategy)
    clean = screened(data)
    _check(clean, made)
    files = {EXAMPLES: _lines(clean.examples), PAIRS: _lines(clean.pairs)}
    files |= _exported(clean, made, strategy, base)
    manifest = Manifest(
        fingerprint=_fingerprint(clean, strategy),
        strategy=strategy,
        prompting=prompting_digest(strategy),
        base=base,
        formats=tuple(one.name for one in made),
        n_examples=len(clean.examples),
        n_pairs=len(clean.pairs),
        report=clean.report,
        options=clean.options,
        files={name: FileNote.of(content) for name, content in sorted(files.items())},
        made_by={"fusion-agents": __version__},
    )
    return Dataset(clean, manifest), files


def render(dataset: Dataset, name: str, *, base: str | None = None) -> dict[str, bytes]:
    """The files of one export format, such as for data of which some were withdrawn.

    Raises:
        ConfigError: If there is no such format, or its trainer would turn the data down.
    """
    made = make_formats([name])
    _check(dataset.data, made)
    return _exported(dataset.data, made, dataset.manifest.strategy, base)


def _exported(
    data: TrainingData, formats: Sequence[ExportFormat], strategy: str, base: str | None
) -> dict[str, bytes]:
    material = material_of(data, strategy)._replace(base=base)
    files: dict[str, bytes] = {}
    for one in formats:
        files |= one.write(material)
    info = {name: entry for one in formats for name, entry in one.dataset_info().items()}
    if info:
        files[DATASET_INFO] = json.dumps(info, indent=2).encode() + b"\n"
    return files


def material_of(data: TrainingData, strategy: str = "direct") -> Material:
    """The data as a student is shown them.

    Raises:
        ConfigError: If students cannot be taught with the strategy.
    """
    return Material(
        tuple(
            Demonstration(turns_of(prompt_of(one.query, strategy)), one.answer)
            for one in data.examples
        ),
        tuple(
            Preference(turns_of(prompt_of(one.query, strategy)), one.chosen, one.rejected)
            for one in data.pairs
        ),
    )


def _check(data: TrainingData, formats: Sequence[ExportFormat]) -> None:
    if not data.examples:
        most = max(data.report.dropped, key=lambda one: one.n, default=None)
        why = f"; most were dropped as {most.reason!r} ({most.n:,})" if most else ""
        raise EmptyLogError(f"there is no example to learn from{why}")
    for one in formats:
        if one.of_pairs and not data.pairs:
            raise ConfigError(
                f"the format {one.name!r} holds pairs of a right and a wrong answer, and none were "
                "selected: select pairs too (--pairs), or leave the format out"
            )


def _lines(nouns: Iterable[Noun]) -> bytes:
    return "".join(f"{noun.model_dump_json()}\n" for noun in nouns).encode()


def _fingerprint(data: TrainingData, strategy: str) -> str:
    learned: list[JsonValue] = [
        prompting_digest(strategy),
        [[one.key, one.query.task, one.query.text, one.answer] for one in data.examples],
        [[one.query.task, one.query.text, one.chosen, one.rejected] for one in data.pairs],
    ]
    return hashlib.sha256(json.dumps(learned).encode()).hexdigest()


def read_dataset(folder: Path) -> Dataset:
    """Read training data back, every file compared with the manifest.

    Raises:
        DataError: If the folder holds no data, a file is missing or has changed, a newer version
            wrote it, or its strategy puts questions otherwise than when it was written.
    """
    data, manifest = read_folder(Path(folder))
    if prompting_digest(manifest.strategy) != manifest.prompting:
        raise DataError(
            f"{folder}: the strategy {manifest.strategy!r} puts questions otherwise than when the "
            "data were written: export them again"
        )
    if _fingerprint(data, manifest.strategy) != manifest.fingerprint:
        raise DataError(f"{folder}: the manifest belongs to other data: export the data again")
    return Dataset(data, manifest)


def without_withdrawn(dataset: Dataset, log: RoutingLog) -> tuple[Dataset, int]:
    """Leave out what may no longer be learned from, and count the examples that went.

    An example goes when no entry that gave its answer is in the log any more and may train a
    student; of the others, the lineage is what is left. If anything changed, so does the
    fingerprint, and the manifest names no files: those on the disk hold what was withdrawn
    (`render` makes new ones). All that is left may be no example at all.

    Args:
        dataset: As it was read.
        log: That the data were selected from.
    """
    data = remaining(dataset.data, log)
    if data == dataset.data:
        return dataset, 0
    manifest = dataset.manifest.model_copy(
        update={
            "fingerprint": _fingerprint(data, dataset.manifest.strategy),
            "n_examples": len(data.examples),
            "n_pairs": len(data.pairs),
            "report": data.report,
            "files": {},
        }
    )
    return Dataset(data, manifest), len(dataset.data.examples) - len(data.examples)


def prune_dataset(folder: Path, log: RoutingLog) -> tuple[Manifest, int]:
    """Write a folder anew without what may no longer be learned from; count the examples that went.

    Students that were trained before are not changed: train again.

    Raises:
        DataError: If the folder holds no data, or its files were changed.
        EmptyLogError: If no example is left; the folder is as it was: delete it.
        ConfigError: If it cannot be written.
    """
    dataset = read_dataset(folder)
    left, n_withdrawn = without_withdrawn(dataset, log)
    if left is dataset:
        return dataset.manifest, 0
    held = dataset.manifest
    formats = [name for name in held.formats if left.data.pairs or not _of_pairs(name)]
    manifest = write_dataset(
        left.data, folder, formats=formats, strategy=held.strategy, base=held.base
    )
    return manifest, n_withdrawn


def _of_pairs(name: str) -> bool:
    return make_formats([name])[0].of_pairs
