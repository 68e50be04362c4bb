"""The line that a process in a sandbox has to the outside, and the limits that it runs under."""

from __future__ import annotations

import os
import resource
import sys

from fusion_agents.sandbox.inside.text import read_json, write_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LONGEST_LINE = 1 << 20
"""Bytes of one message, its end included."""


class Channel:
    """One JSON message a line, on descriptors that no program will stumble over."""

    def __init__(self) -> None:
        self._in = os.fdopen(os.dup(0), "rb")
        self._out = os.dup(1)
        nothing = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(nothing, number)
        os.close(nothing)

    def send(self, message: Any) -> bool:
        """Write a message; false if it is too long to be sent."""
        line = write_json(message).encode() + b"\n"
        if len(line) > LONGEST_LINE:
            return False
        while line:
            line = line[os.write(self._out, line) :]
        return True

    def receive(self) -> Any:
        """Read a message; ends the process when there is none."""
        line = self._in.readline()
        if not line:
            os._exit(0)
        return read_json(line.decode())


def limit(arguments: list[str]) -> None:
    """Bound this process and its children for good; `arguments` are `NAME=NUMBER`."""
    for argument in arguments:
        name, _, number = argument.partition("=")
        soft = int(number)
        hard = soft + 1 if name == "CPU" else soft  # the first second only warns, and says why
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (soft, hard))


def begin() -> tuple[Channel, Any]:
    """Set the limits, say that the sandbox works, and read what there is to do."""
    if os.path.isdir("/packages"):  # noqa: PTH112
        sys.path.append("/packages")
    limit(sys.argv[1:])
    channel = Channel()
    channel.send("ready")
    return channel, channel.receive()
