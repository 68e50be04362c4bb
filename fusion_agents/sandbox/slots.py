"""A user id of its own for each sandbox that root starts: the kernel counts processes by it."""

import itertools
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from fusion_agents.errors import SandboxError

FIRST, NUMBER = 61_000, 184
"""User ids that no distribution gives to anybody."""

_next = itertools.count(os.getpid())
_lock = threading.Lock()


@contextmanager
def user_id() -> Iterator[int]:
    """Hold a user id that no other sandbox on this machine has while the block lasts.

    It is held by the name of a socket without a file, which the kernel gives back even when this
    process is killed.

    Raises:
        SandboxError: If all are taken.
    """
    for _ in range(NUMBER):
        with _lock:
            slot = FIRST + next(_next) % NUMBER
        holder = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            holder.bind(f"\0fusion-agents-sandbox-{slot}")
        except OSError:
            holder.close()
            continue
        with holder:
            yield slot
        return
    raise SandboxError(f"{NUMBER} sandboxes are running already")
