"""Replacing a folder at once: whoever looks finds the old one or the new one, never a part."""

import os
import shutil
import time
from collections.abc import Callable, Mapping, Set
from pathlib import Path

from fusion_agents.errors import ConfigError
from fusion_agents.file_lock import locked
from fusion_agents.stores.formats.writing import sync_folder

_TRIES = 50
_PAUSE = 0.1
"""Seconds. A swap takes milliseconds."""


def replace_folder(
    folder: Path, files: Mapping[str, bytes], own_names: Callable[[Path], Set[str]]
) -> None:
    """Write files to a folder, in place of all that was there.

    They are written to a folder beside it, which takes its place when it is on the disk. A kill
    between the two steps of that is made good by whoever reads or writes next. A folder that
    holds just these files is left alone.

    Args:
        folder: Made if it is missing; the folder above it must exist, or is made too.
        files: Contents by name.
        own_names: Says which names in a folder may be overwritten.

    Raises:
        ConfigError: If the folder holds other files, is a file or cannot be written, or another
            process is writing it.
    """
    folder = Path(folder).resolve()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with locked(folder):
            _recover(folder)
            _refuse_others(folder, own_names)
            if not _holds(folder, files):
                _write(_new(folder), files)
                _swap(folder)
    except OSError as error:
        raise ConfigError(f"cannot write the folder {str(folder)!r}: {error.strerror}") from error


def recover_folder(folder: Path) -> None:
    """Make good what a kill left undone, before a folder is read; usually nothing."""
    folder = folder.resolve()
    for _ in range(_TRIES):
        if folder.exists() or not _old(folder).exists():
            return
        try:
            with locked(folder):
                _recover(folder)
        except ConfigError:  # somebody is just swapping
            time.sleep(_PAUSE)


def _new(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.new")


def _old(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.old")


def _recover(folder: Path) -> None:
    if _old(folder).exists() and not folder.exists():
        _old(folder).rename(folder)
    for left in (_old(folder), _new(folder)):
        if left.exists():
            shutil.rmtree(left)


def _refuse_others(folder: Path, own_names: Callable[[Path], Set[str]]) -> None:
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ConfigError(f"cannot write to {str(folder)!r}: it is a file; name a folder")
    held = {path.name for path in folder.iterdir()}
    others = sorted(held - own_names(folder)) if held else []
    if others:
        raise ConfigError(
            f"{str(folder)!r} holds other files ({', '.join(others[:3])}): give an empty folder or "
            "one with training data"
        )


def _holds(folder: Path, files: Mapping[str, bytes]) -> bool:
    if not folder.exists() or {path.name for path in folder.iterdir()} != files.keys():
        return False
    return all((folder / name).read_bytes() == content for name, content in files.items())


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    folder.mkdir(mode=0o700)
    for name, content in files.items():
        handle = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    sync_folder(folder)


def _swap(folder: Path) -> None:
    if folder.exists():
        folder.rename(_old(folder))
    _new(folder).rename(folder)
    sync_folder(folder.parent)
    if _old(folder).exists():
        shutil.rmtree(_old(folder))
