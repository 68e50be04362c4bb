"""Checkpoints that are whole: each is sealed with the digests of its files once all are written.

The trainer writes a checkpoint file by file, so that a process killed meanwhile leaves half of
one. A folder without a seal, or whose files are not those that were sealed, is removed and an
earlier one taken. No pickle is ever unpickled: weights are safetensors, and the trainer loads the
optimiser's state and the random generators' with `torch.load(weights_only=True)`.
"""

import hashlib
import json
import os
import re
import shutil
from pathlib import Path
from typing import NamedTuple

from fusion_agents.stores.formats.writing import replacing

_SEAL = "sealed.json"
_PICKLED = "training_args.bin"
"""Written by the trainer, read by nobody."""
_NAME = re.compile(r"checkpoint-(\d+)")


class Checkpoint(NamedTuple):
    """A whole checkpoint."""

    folder: Path
    step: int
    seconds: float
    """That training had taken until then, over all processes."""
    ended: bool
    """Whether nothing is left to train."""

    def weights(self) -> Path:
        """The folder of the weights to keep: this one, or that of the lowest loss."""
        state = json.loads((self.folder / "trainer_state.json").read_text("utf-8"))
        best = state.get("best_model_checkpoint")
        return self.folder.with_name(Path(best).name) if best else self.folder


def seal(folder: Path, seconds: float, *, ended: bool) -> None:
    """Declare a checkpoint whole; its files are on the disk before."""
    (folder / _PICKLED).unlink(missing_ok=True)
    files = {path.name: _digest(path, sync=True) for path in sorted(folder.iterdir())}
    for path in folder.iterdir():
        path.chmod(0o600)
    note = {"files": files, "seconds": seconds, "ended": ended}
    with replacing(folder / _SEAL) as file:
        file.write(json.dumps(note, indent=1).encode())


def last_whole(checkpoints: Path) -> tuple[Checkpoint | None, list[str]]:
    """The newest checkpoint that is whole, and the names of those after it, which are removed.

    Without one, training begins anew.
    """
    found = [(int(match[1]), one) for one in _folders(checkpoints) if (match := _match(one))]
    torn: list[str] = []
    for step, folder in sorted(found, reverse=True):
        if sealed := _sealed(folder):
            return Checkpoint(folder, step, *sealed), torn
        torn.append(folder.name)
        shutil.rmtree(folder)
    return None, torn


def _folders(checkpoints: Path) -> list[Path]:
    if not checkpoints.is_dir():
        return []
    return [one for one in checkpoints.iterdir() if one.is_dir() and not one.is_symlink()]


def _match(folder: Path) -> re.Match[str] | None:
    return _NAME.fullmatch(folder.name)


def _sealed(folder: Path) -> tuple[float, bool] | None:
    try:
        note = json.loads((folder / _SEAL).read_text("utf-8"))
        files, said = dict(note["files"]), (float(note["seconds"]), bool(note["ended"]))
        present = {path.name for path in folder.iterdir() if path.name != _SEAL}
        whole = present == set(files) and all(
            _digest(folder / name) == digest for name, digest in files.items()
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return said if whole else None


def _digest(path: Path, *, sync: bool = False) -> str:
    with path.open("rb") as file:
        if sync:
            os.fsync(file.fileno())
        return hashlib.file_digest(file, "sha256").hexdigest()
