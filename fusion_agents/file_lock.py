"""A lock that one process holds on a file's name, and that ends with the process."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fusion_agents.errors import ConfigError


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of a file, which need not exist; a killed process lets go of it.

    The lock is a file of its own beside the other, so that the other may be replaced.

    Raises:
        ConfigError: If another process holds it, there is no such folder or it cannot be written,
            or the file system has no locks.
    """
    path = path.resolve()
    lock = path.with_name(f".{path.name}.lock")
    handle = _hold(lock, path)
    try:
        yield
    finally:
        _release(lock, handle)


def _hold(lock: Path, path: Path) -> int:
    while True:
        handle = _open(lock, path)
        try:
            try_to_lock(handle)
            if _is_still(lock, handle):
                return handle
        except BlockingIOError:
            os.close(handle)
            raise ConfigError(
                f"another process is writing {str(path)!r}: wait for it, or give another output"
            ) from None
        except OSError as error:
            os.close(handle)
            raise ConfigError(
                f"cannot lock {str(path)!r}: {error.strerror}; give an output on a local disk"
            ) from error
        os.close(handle)  # whoever held it before removed it meanwhile


def _open(lock: Path, path: Path) -> int:
    try:
        return os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        folder = str(path.parent)
        raise ConfigError(
            f"cannot write {str(path)!r}: the folder {folder!r}: {error.strerror}"
        ) from error


def _release(lock: Path, handle: int) -> None:
    if sys.platform == "win32":  # a file that is open cannot be removed there
        os.close(handle)
        with suppress(OSError):
            lock.unlink()
    else:
        lock.unlink(missing_ok=True)
        os.close(handle)


def _is_still(lock: Path, handle: int) -> bool:
    try:
        return os.path.samestat(lock.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False


def try_to_lock(handle: int, at: int = 0) -> None:
    """Lock an open file for this process, or on Windows one byte of it.

    Args:
        handle: Of the file.
        at: Where that byte is; the rest stays readable there.

    Raises:
        BlockingIOError: If somebody else has it.
    """
    if sys.platform == "win32":
        import msvcrt

        os.lseek(handle, at, os.SEEK_SET)
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except PermissionError as error:
            raise BlockingIOError(*error.args) from error
    else:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
