"""What a sandbox is: a way to start a Python process that can do nothing but answer."""

import platform
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple

from fusion_agents.sandbox.limits import DEFAULT, Limits

Part = Literal["candidate", "tester"]
"""What runs inside: a module of `fusion_agents.sandbox.inside`."""

MODULE = "fusion_agents.sandbox.inside"
INSIDE = Path(__file__).parent / "inside"
WHERE_INSIDE = "/inside/fusion_agents/sandbox/inside"
ENVIRONMENT = {
    "PATH": "/python/bin",
    "HOME": "/tmp",
    "LANG": "C.UTF-8",
    "PYTHONHASHSEED": "0",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "LD_LIBRARY_PATH": "/python/lib",
}
"""All that a process in a sandbox finds in its environment."""


class Command(NamedTuple):
    """A process to be started."""

    words: Sequence[str]
    environment: dict[str, str]
    descriptors: tuple[int, ...] = ()
    """What it inherits besides its three streams."""
    stop: Sequence[str] | None = None
    """A command that ends what killing the process leaves behind."""


@dataclass(frozen=True, kw_only=True)
class Sandbox(ABC):
    """A way to start Python processes that are shut in."""

    name: ClassVar[str]
    limits: Limits = DEFAULT

    @abstractmethod
    def command(self, part: Part) -> AbstractContextManager[Command]:
        """Say how to start a process; what it needs is held until the block ends.

        Raises:
            NoSandboxError: If this machine cannot do it.
            SandboxError: If it cannot do it now.
        """

    def python(self, part: Part, program: str = "python") -> list[str]:
        """Give the interpreter's command line."""
        start = f"import sys;sys.path.insert(0,'/inside');import {MODULE}.{part} as m;m.main()"
        return self.interpret(start, program)

    def interpret(self, start: str, program: str) -> list[str]:
        """Give the command line that runs some code under the limits."""
        return [program, "-s", "-P", "-S", "-B", "-c", start, *self.limits.arguments()]


def packages() -> dict[str, Path]:
    """Third-party packages that programs may import, by the folder's name: numpy and its parts."""
    spec = find_spec("numpy")
    if spec is None or spec.origin is None:
        return {}
    folder = Path(spec.origin).parent
    parts = {"numpy": folder, "numpy.libs": folder.with_name("numpy.libs")}
    return {name: path for name, path in parts.items() if path.is_dir()}


def is_linux() -> bool:
    """Whether the kernel is one that the sandboxes here are made for."""
    return platform.system() == "Linux"


def interpreter() -> Path:
    """The interpreter's own program, whatever environment it was started through."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return Path(sys.base_prefix).resolve() / "bin" / f"python{version}"
