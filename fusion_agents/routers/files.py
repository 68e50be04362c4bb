"""Files of saved routers: replaced in one step, read without following links."""

import os
import secrets
import stat
from pathlib import Path

from fusion_agents.errors import ArtefactError

_NO_LINKS = getattr(os, "O_NOFOLLOW", 0)
_NO_WAITING = getattr(os, "O_NONBLOCK", 0)
"""For a pipe in the place of a file."""


def write_file(path: Path, content: bytes) -> None:
    """Replace a file in one step, readable by its owner only."""
    new = path.with_name(f".new-{secrets.token_hex(8)}-{path.name}")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINKS, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def read_file(path: Path, limit: int) -> bytes:
    """Read a regular file, never through a link, and no more than `limit` bytes.

    Raises:
        ArtefactError: If it cannot be read, is no regular file or is larger.
    """
    try:
        kind = path.lstat().st_mode
        if not stat.S_ISREG(kind):
            raise ArtefactError(f"{str(path)!r} is no regular file: put the file itself there")
        with os.fdopen(os.open(path, os.O_RDONLY | _NO_LINKS | _NO_WAITING), "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > limit:
                raise ArtefactError(
                    f"{str(path)!r} has {size:,} bytes, more than the {limit:,} of any router: "
                    "save the router again"
                )
            return file.read()
    except OSError as error:
        raise ArtefactError(f"cannot read {str(path)!r}: {error.strerror}") from error
    except ValueError as error:
        raise ArtefactError(f"cannot read {str(path)!r}: {error}") from error
