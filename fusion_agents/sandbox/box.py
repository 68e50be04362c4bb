"""A process in a sandbox, as seen from outside: lines go in, lines come out, and it ends."""

import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from fusion_agents.errors import SandboxError
from fusion_agents.sandbox.base import Command, Part, Sandbox
from fusion_agents.sandbox.inside.channel import LONGEST_LINE

_CHUNK = 1 << 16
_TICK = 0.5
_LONGEST_COMPLAINT = 500
_KILLED, _OVER_TIME, _CRASHED = 128 + signal.SIGKILL, 128 + signal.SIGXCPU, 128 + signal.SIGSEGV


class BoxEndedError(Exception):
    """The process ended, or said something that no message is."""


class TimeUpError(BoxEndedError):
    """There was no message in time."""

    def __init__(self) -> None:
        super().__init__("over the time limit")


class Clock:
    """Time left. While this machine sleeps, no time passes."""

    def __init__(self, seconds: float) -> None:
        self._left = seconds

    def wait(self, descriptor: int, event: int) -> None:
        """Wait until a descriptor can be read or written.

        Raises:
            TimeUpError: If no time is left.
        """
        poll = select.poll()
        poll.register(descriptor, event)
        while self._left > 0:
            tick = min(_TICK, self._left)
            began = time.monotonic()
            ready = poll.poll(tick * 1000)
            self._left -= min(time.monotonic() - began, 2 * _TICK)
            if ready:
                return
        raise TimeUpError


class Box:
    """A process in a sandbox."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        self._process = process
        self._in = process.stdin.fileno()
        self._out = process.stdout.fileno()
        self._complaints = process.stderr.fileno()
        self._read = bytearray()
        os.set_blocking(self._in, False)

    def begin(self, job: dict[str, Any], clock: Clock) -> None:
        """Wait until the process is up, before anything unknown has run in it, and give it a job.

        Raises:
            SandboxError: If it does not come up.
        """
        try:
            if self.receive(clock) == "ready":
                self.send(json.dumps(job).encode(), clock)
                return
        except BoxEndedError:
            pass
        raise SandboxError(f"a sandbox did not start: {self._complaint()}")

    def _complaint(self) -> str:
        with suppress(TimeUpError):
            Clock(0.5).wait(self._complaints, select.POLLIN)
            text = os.read(self._complaints, _LONGEST_COMPLAINT).decode("utf-8", "replace")
            return clean(text) or "it said nothing"
        return "it said nothing"

    def send(self, line: bytes, clock: Clock) -> None:
        """Write one message.

        Raises:
            BoxEndedError: If there is nobody to read it.
            TimeUpError: If nobody reads it in time.
        """
        left = memoryview(line + b"\n")
        while left:
            try:
                left = left[os.write(self._in, left) :]
            except BlockingIOError:
                clock.wait(self._in, select.POLLOUT)
            except OSError:
                raise BoxEndedError(self.end()) from None

    def receive_line(self, clock: Clock) -> bytes:
        """Read one message as it came.

        Raises:
            BoxEndedError: If there is none, or a longer one than there are.
            TimeUpError: If there is none in time.
        """
        while (end := self._read.find(b"\n")) < 0:
            if len(self._read) > LONGEST_LINE:
                raise BoxEndedError("the program wrote more than a megabyte")
            clock.wait(self._out, select.POLLIN)
            chunk = os.read(self._out, _CHUNK)
            if not chunk:
                raise BoxEndedError(self.end())
            self._read += chunk
        line = bytes(self._read[:end])
        del self._read[: end + 1]
        return line

    def receive(self, clock: Clock) -> Any:
        """Read one message.

        Raises:
            BoxEndedError: If there is none, or it is none.
            TimeUpError: If there is none in time.
        """
        try:
            return json.loads(self.receive_line(clock))
        except (ValueError, RecursionError):
            raise BoxEndedError("the program wrote something that is no message") from None

    def kill(self) -> None:
        """Let it die; whoever opened it waits for that."""
        _kill(self._process)

    def end(self) -> str:
        """Say how the process ended."""
        try:
            code = self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            return "the program closed its output"
        if code == _OVER_TIME:
            return "over the limit of processor time"
        if code == _KILLED:
            return "the program was killed: out of memory, or over the limit of processor time"
        if code == _CRASHED:
            return "the interpreter crashed"
        return "the program ended before it answered"


@contextmanager
def open_box(sandbox: Sandbox, part: Part) -> Iterator[Box]:
    """Start a process in a sandbox; nothing of it is left when the block ends.

    Raises:
        NoSandboxError: If this machine has no such sandbox.
        SandboxError: If it cannot be started.
    """
    with sandbox.command(part) as command:
        process = _start(command)
        try:
            yield Box(process)
        finally:
            _stop(process, command)


def _start(command: Command) -> subprocess.Popen[bytes]:
    pipe = subprocess.PIPE
    try:
        return subprocess.Popen(
            command.words,
            env=command.environment,
            cwd="/",
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            bufsize=0,
            pass_fds=command.descriptors,
            start_new_session=True,
        )
    except OSError as error:
        raise SandboxError(f"a sandbox could not be started: {error}") from error


def _stop(process: subprocess.Popen[bytes], command: Command) -> None:
    if command.stop is not None:
        with suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(
                command.stop, env=command.environment, capture_output=True, timeout=10, check=False
            )
    if process.returncode is None and _kill(process):
        with suppress(subprocess.TimeoutExpired):
            process.wait(_TICK)
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            stream.close()


def _kill(process: subprocess.Popen[bytes]) -> bool:
    """Kill what runs inside, or all if that cannot be told; whether the rest ends by itself.

    Whoever started it inside then waits for it. Were that killed, too, what it leaves would wait
    for this machine's first process, which in a container is often one that waits for nobody.
    """
    if process.returncode is not None:
        return False
    children = _children(process.pid)
    for number in children or [process.pid]:
        with suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
    return bool(children)


def _children(number: int) -> list[int]:
    try:
        return list(map(int, Path(f"/proc/{number}/task/{number}/children").read_text().split()))
    except (OSError, ValueError):  # not every kernel says it
        return []


def clean(text: str, longest: int = _LONGEST_COMPLAINT) -> str:
    r"""Cut a text and take out what could harm a terminal or a log.

    >>> clean("a\x1b[31m\n  b")
    'a[31m b'
    """
    return " ".join("".join(c for c in text if c.isprintable() or c.isspace()).split())[:longest]
