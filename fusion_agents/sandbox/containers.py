"""Tier 1b: a container of docker or podman, where their daemon answers.

Programs find the image's own Python and no third-party packages.
"""

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

from fusion_agents.errors import NoSandboxError
from fusion_agents.sandbox.base import ENVIRONMENT, INSIDE, WHERE_INSIDE, Command, Part, Sandbox

IMAGE = "python:3.12-slim"
"""Pulled by the user beforehand: scoring never downloads anything."""
_NOBODY = "65534:65534"
_ANSWERS_WITHIN = 10.0


@dataclass(frozen=True, kw_only=True)
class Container(Sandbox):
    """Starts processes through `docker run`, or another program with the same options."""

    program: ClassVar[str]
    image: str = IMAGE

    @contextmanager
    def command(self, part: Part) -> Iterator[Command]:
        """Say how to start a process; what it needs is held until the block ends."""
        found = _client(self.program, self.image)
        name = f"fusion-agents-{secrets.token_hex(8)}"
        words = [
            *(found, "run", "--rm", "--interactive", "--init", "--pull", "never", "--name", name),
            *self._shut_in(),
            *("--volume", f"{INSIDE}:{WHERE_INSIDE}:ro", "--workdir", "/tmp"),
            *_environment(),
            *(self.image, *self.python(part)),
        ]
        environment = {key: os.environ[key] for key in _CLIENT_SETTINGS if key in os.environ}
        yield Command(words, environment, stop=(found, "kill", name))

    def _shut_in(self) -> list[str]:
        limits = self.limits
        return [
            *("--network", "none", "--read-only", "--cap-drop", "ALL", "--user", _NOBODY),
            *("--security-opt", "no-new-privileges", "--ipc", "private"),
            *("--pids-limit", str(limits.processes + 4)),
            *("--memory", str(2 * limits.memory), "--memory-swap", str(2 * limits.memory)),
            *("--tmpfs", f"/tmp:size={limits.tmp},mode=1777"),
            *("--shm-size", str(limits.shared_memory)),
        ]


@dataclass(frozen=True, kw_only=True)
class Docker(Container):
    """Containers of docker."""

    name: ClassVar[str] = "docker"
    program: ClassVar[str] = "docker"


@dataclass(frozen=True, kw_only=True)
class Podman(Container):
    """Containers of podman."""

    name: ClassVar[str] = "podman"
    program: ClassVar[str] = "podman"


_CLIENT_SETTINGS = ("PATH", "HOME", "DOCKER_HOST", "DOCKER_CONTEXT", "XDG_RUNTIME_DIR")


def _environment() -> list[str]:
    """The interpreter is the image's, so nothing says where to find it."""
    kept = {name: value for name, value in ENVIRONMENT.items() if "PATH" not in name}
    return [word for name, value in kept.items() for word in ("--env", f"{name}={value}")]


@cache
def _client(program: str, image: str) -> str:
    found = shutil.which(program)
    if found is None:
        raise NoSandboxError(f"{program} is not installed", f"install {program}")
    if not _succeeds(found, "info"):
        raise NoSandboxError(f"the daemon of {program} does not answer", f"start {program}")
    if not _succeeds(found, "image", "inspect", image):
        raise NoSandboxError(
            f"{program} does not have the image {image}", f"run '{program} pull {image}'"
        )
    return found


def _succeeds(*words: str) -> bool:
    try:
        ended = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_ANSWERS_WITHIN,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return ended.returncode == 0
