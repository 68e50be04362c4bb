"""The files of a folder of training data, read with every byte checked."""

import json
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from fusion_agents.distill.data.folders import recover_folder
from fusion_agents.distill.data.manifest import VERSION, FileNote, Manifest
from fusion_agents.distill.nouns import Example, PreferencePair, TrainingData
from fusion_agents.errors import DataError, RowError
from fusion_agents.types import Noun

EXAMPLES, PAIRS, MANIFEST = "examples.jsonl", "pairs.jsonl", "manifest.json"

N = TypeVar("N", bound=Noun)


def own_names(folder: Path) -> set[str]:
    """Names in a folder that are those of training data; none if it holds no such data."""
    try:
        return {MANIFEST, *_manifest(folder, _content(folder, MANIFEST)).files}
    except DataError:
        return set()


def read_folder(folder: Path) -> tuple[TrainingData, Manifest]:
    """Read the data and the manifest, each file compared with what the manifest says of it.

    Raises:
        DataError: If the folder holds no data, a file is missing or has changed, or a newer
            version wrote it.
    """
    recover_folder(folder)
    manifest = _manifest(folder, _content(folder, MANIFEST))
    files = {name: _checked(folder, name, note) for name, note in manifest.files.items()}
    data = TrainingData(
        examples=_parsed(folder, EXAMPLES, files, Example),
        pairs=_parsed(folder, PAIRS, files, PreferencePair),
        report=manifest.report,
        options=manifest.options,
    )
    return data, manifest


def _manifest(folder: Path, content: bytes) -> Manifest:
    try:
        version = json.loads(content).get("version")
        if isinstance(version, int) and version > VERSION:
            raise DataError(
                f"{folder}: a newer version of fusion-agents wrote these data: update fusion-agents"
            )
        return Manifest.model_validate_json(content)
    except (ValueError, AttributeError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(
            f"{folder}: {MANIFEST} is damaged or of something else: export the data again"
        ) from error


def _content(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        raise DataError(
            f"{folder}: there are no training data ({name}: {error.strerror}): make them with "
            "fusion-agents distill export"
        ) from error


def _checked(folder: Path, name: str, note: FileNote) -> bytes:
    if Path(name).name != name:
        raise DataError(f"{folder}: {MANIFEST} names a file elsewhere: {name!r}")
    content = _content(folder, name)
    if FileNote.of(content) != note:
        raise DataError(f"{folder}: {name} was changed since it was written: export the data again")
    return content


def _parsed(folder: Path, name: str, files: dict[str, bytes], noun: type[N]) -> tuple[N, ...]:
    found = []
    for number, line in enumerate(files.get(name, b"").splitlines(), 1):
        try:
            found.append(noun.model_validate_json(line))
        except ValidationError as error:
            reason = f"{error.errors()[0]['msg']}: export the data again"
            raise RowError(str(folder / name), number, reason) from error
    return tuple(found)
