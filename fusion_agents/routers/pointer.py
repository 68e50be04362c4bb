"""A folder with several versions of a router, and the file in it that names the current one."""

import json
import re
from pathlib import Path

from fusion_agents.errors import ArtefactError
from fusion_agents.routers.files import read_file

POINTER = "versions.json"
"""Name of the file; its field `current` names a folder beside it."""

VERSION_NAME = re.compile("[0-9]{6}")

MAX_POINTER = 64 * 2**20
"""Largest file that is read, in bytes."""


def current_folder(folder: Path) -> Path:
    """Where the current version of a router is; the folder itself if it holds no versions.

    Raises:
        ArtefactError: If the folder holds versions and does not say which one is current.
    """
    pointer = folder / POINTER
    if not pointer.is_symlink() and not pointer.exists():
        return folder
    try:
        content = json.loads(read_file(pointer, MAX_POINTER))
        name = content["current"]
        if name is None:
            raise ArtefactError(f"{str(folder)!r} has no current version yet: refresh it first")
        if not VERSION_NAME.fullmatch(name):
            raise ValueError(name)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ArtefactError(
            f"{pointer} is damaged: it names no current version; restore it from a copy"
        ) from error
    return folder / str(name)
