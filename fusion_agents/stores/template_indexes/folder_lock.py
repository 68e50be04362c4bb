"""A lock that one process holds on a folder; whoever comes second learns who that is."""

import json
import os
import socket
from datetime import UTC, datetime
from pathlib import Path

from fusion_agents.errors import StoreError
from fusion_agents.file_lock import try_to_lock

_FAR = 1 << 20
"""Windows locks bytes, and forbids reading those: this one is beyond what the file holds."""


class FolderLock:
    """Held from its making until `release`; a killed process lets go of it.

    Args:
        path: The lock's file, made with mode 600; its folder must exist. It stays when the lock is
            released, as removing it would let two processes hold one each.
        what: What is locked, as messages name it.

    Raises:
        StoreError: If somebody else holds it, or the file system has no locks.
    """

    def __init__(self, path: Path, what: str) -> None:
        try:
            self._handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StoreError(f"{what} cannot be locked: {error.strerror}") from error
        try:
            try_to_lock(self._handle, _FAR)
            self._sign()
        except BlockingIOError:
            holder = _holder(self._handle)
            os.close(self._handle)
            raise StoreError(
                f"{what} is in use by {holder}: only one process at a time may open it; end that "
                "one, or use the exact index, which several may share"
            ) from None
        except OSError as error:
            os.close(self._handle)
            raise StoreError(
                f"{what} cannot be locked: {error.strerror}; put it on a local disk"
            ) from error

    def release(self) -> None:
        """Let go of the lock. In the child of a fork, the parent keeps it."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def _sign(self) -> None:
        since = datetime.now(UTC).isoformat(timespec="seconds")
        holder = {"pid": os.getpid(), "host": socket.gethostname(), "since": since}
        os.ftruncate(self._handle, 0)
        os.lseek(self._handle, 0, os.SEEK_SET)
        os.write(self._handle, json.dumps(holder).encode())


def _holder(handle: int) -> str:
    """Who signed the lock; it may be about to."""
    os.lseek(handle, 0, os.SEEK_SET)
    try:
        signed = json.loads(os.read(handle, 4096))
        return f"process {signed['pid']} on {signed['host']} since {signed['since']}"
    except (ValueError, KeyError, TypeError):
        return "a process that has just opened it"
