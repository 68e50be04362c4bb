"""Tries to break out: what a sandbox must stop before anything unknown runs in it."""

import json
import os
import secrets
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from fusion_agents.errors import SandboxError
from fusion_agents.sandbox.base import ENVIRONMENT, Sandbox
from fusion_agents.sandbox.box import BoxEndedError, Clock, clean, open_box

PROBE = (Path(__file__).parent / "probe.txt").read_text("utf-8")
"""The program that tries; it defines `probe`."""

NAMES = {
    "environment": "read environment variables",
    "processes": "look at other processes through /proc",
    "files": "read this machine's files",
    "write": "write outside of /tmp",
    "network": "connect to this machine or to others",
    "fork": "start processes without end",
    "memory": "take memory without end",
    "kernel": "make namespaces, trace processes or be root",
}
"""What is tried, in words."""


class Canary(NamedTuple):
    """How one try ended."""

    name: str
    blocked: bool
    detail: str


@contextmanager
def _bait() -> Iterator[dict[str, object]]:
    """A file, a folder that anybody may write, and two servers, all of them to be left alone."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fusion-agents-")))
        folder.chmod(0o777)
        file = folder / "canary"
        file.write_text(secrets.token_hex())
        file.chmod(0o666)
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        hidden = stack.enter_context(socket.socket(socket.AF_UNIX))
        name = f"\0fusion-agents-{secrets.token_hex(8)}"
        hidden.bind(name)
        hidden.listen()
        yield {
            "file": str(file),
            "home": str(Path.home()),
            "port": server.getsockname()[1],
            "hidden": name,
            "pid": os.getpid(),
            "environment": [*ENVIRONMENT, "PWD", "LC_CTYPE", "HOSTNAME", "container"],
        }


def try_out(sandbox: Sandbox) -> tuple[Canary, ...]:
    """Try everything in `NAMES` in a sandbox; what cannot be tried counts as not blocked.

    Raises:
        NoSandboxError: If this machine has no such sandbox.
        SandboxError: If the sandbox does not work.
    """
    with _bait() as bait, open_box(sandbox, "candidate") as box:
        box.begin({"program": PROBE}, Clock(sandbox.limits.start))
        clock = Clock(sandbox.limits.wall)
        most = {"processes": sandbox.limits.processes, "memory": sandbox.limits.memory}
        call = {"id": 1, "do": "call", "name": "probe", "options": {"dict": []}}
        asked = json.dumps({**call, "args": [json.dumps({**bait, **most})]}).encode()
        try:
            box.receive(clock)
            box.send(asked, clock)
            found = json.loads(box.receive(clock)["value"])
        except (BoxEndedError, KeyError, TypeError, ValueError) as error:
            raise SandboxError(f"the self-test did not finish: {error!r}") from error
    return tuple(_canary(name, found.get(name)) for name in NAMES)


def _canary(name: str, escapes: object) -> Canary:
    if not isinstance(escapes, list):
        return Canary(name, False, "was not tried")
    return Canary(name, not escapes, clean("; ".join(map(str, escapes))) or "blocked")
