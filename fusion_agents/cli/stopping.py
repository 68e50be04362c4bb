"""Ctrl-C, and whoever ends the process kindly, stop a run: the second time at once."""

import asyncio
import shlex
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from fusion_agents.cli.console import say


def this_command() -> str:
    """The command that runs, as it may be typed again: it goes on where it was stopped."""
    return shlex.join(["fusion-agents", *sys.argv[1:]])


class Stoppable(Protocol):
    """A run that begins nothing more and gives its calls a little time."""

    def stop(self, grace: float) -> None:
        """Stop; what is not done within `grace` seconds is given up."""

    @property
    def stopping(self) -> Any:
        """Whether it was told to stop."""


@contextmanager
def stopping_on_signals(run: Stoppable, grace: float) -> Iterator[None]:
    """Stop the run, in the event loop that runs now, when the process is told to end."""
    loop = asyncio.get_running_loop()

    def stop() -> None:
        left = 0.0 if run.stopping else grace
        if left:
            say(f"stopping; calls under way have {left:g} s. Ctrl-C again stops at once.")
        run.stop(left)

    def on_signal(*_: object) -> None:
        loop.call_soon_threadsafe(stop)

    handled = (signal.SIGINT, signal.SIGTERM)
    usual = {
        number: signal.signal(number, on_signal)
        for number in handled
        if signal.getsignal(number) != signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, handler in usual.items():
            signal.signal(number, handler)
