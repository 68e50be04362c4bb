"""Baits, a sandbox that stops nothing, and what tests and benchmarks ask of the machine."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from fusion_agents.sandbox.base import Command, Part, Sandbox
from fusion_agents.sandbox.choosing import trials

_REASONS = [trial.problem for trial in trials() if trial.problem is not None]
HAS_SANDBOX = trials()[-1].problem is None
needs_sandbox = pytest.mark.skipif(
    not HAS_SANDBOX, reason="; ".join(map(str, _REASONS)) or "there is a sandbox"
)


@dataclass(frozen=True, kw_only=True)
class Nothing(Sandbox):
    """Stops nothing: what the self-test must refuse. Only programs of our own run in it."""

    name: ClassVar[str] = "nothing"

    @contextmanager
    def command(self, part: Part) -> Iterator[Command]:
        start = f"import fusion_agents.sandbox.inside.{part} as m;m.main()"
        root = str(Path(__file__).parents[2])
        words = [sys.executable, "-B", "-c", start, "NOFILE=256"]
        yield Command(words, {**os.environ, "PYTHONPATH": root, "SOME_API_KEY": "sk-1"})


@dataclass(frozen=True, kw_only=True)
class Broken(Sandbox):
    """Does not start."""

    name: ClassVar[str] = "broken"
    says: str = "setting up uid map: Permission denied"

    @contextmanager
    def command(self, part: Part) -> Iterator[Command]:
        yield Command(["/bin/sh", "-c", f"echo '{self.says}' >&2; exit 1"], {})
