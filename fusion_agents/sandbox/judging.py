"""Whether an answer passes its tests: the answer in one process, the tests in another."""

import json
from contextlib import ExitStack
from typing import NamedTuple

from fusion_agents.errors import SandboxError
from fusion_agents.sandbox.base import Sandbox
from fusion_agents.sandbox.box import Box, BoxEndedError, Clock, clean, open_box
from fusion_agents.sandbox.names import Needs, needs_of

_LONGEST_REASON = 400
_LONGEST_PROGRAM = 1 << 18


class Checks(NamedTuple):
    """What an answer must pass."""

    tests: str
    """Source of the tests; an exception means that one failed."""
    entry_point: str = ""
    """The function that is asked for."""
    given: str = ""
    """Code that the answer continues, with helpers that the tests may use."""


class Verdict(NamedTuple):
    """What the tests say."""

    passed: bool
    reason: str | None = None
    """Why not."""
    forgeable: str | None = None
    """Why answer and tests had to share a process, in which an answer can forge the verdict."""


def judge(sandbox: Sandbox, program: str, checks: Checks) -> Verdict:
    """Run a program and its tests.

    The program's process answers calls over a pipe and knows nothing of the tests, so nothing that
    it does to itself changes what it is compared with. Where the tests need objects of the
    program's own, both run in one process and the verdict says that it could be forged.

    Args:
        sandbox: Where both run.
        program: Source of the whole answer.
        checks: What it must pass.

    Raises:
        NoSandboxError: If this machine has no such sandbox.
        SandboxError: If the sandbox broke, twice.
        SyntaxError: If the tests are no Python.
    """
    needs = needs_of(checks.tests, checks.given, checks.entry_point)
    if reason := _unfit(program):
        return Verdict(False, reason)
    try:
        return _judge(sandbox, program, checks, needs)
    except SandboxError:
        return _judge(sandbox, program, checks, needs)


def _unfit(program: str) -> str | None:
    if len(program) > _LONGEST_PROGRAM:
        return f"the program is longer than {_LONGEST_PROGRAM:,} characters"
    try:
        program.encode()
    except UnicodeEncodeError:
        return "the program has characters that no file can have"
    return None


def _judge(sandbox: Sandbox, program: str, checks: Checks, needs: Needs) -> Verdict:
    if needs.one_process is not None:
        return _in_one(sandbox, program, checks, needs.one_process)
    with ExitStack() as stack:
        candidate = stack.enter_context(open_box(sandbox, "candidate"))
        tester = stack.enter_context(open_box(sandbox, "tester"))
        clock = Clock(sandbox.limits.start)
        candidate.begin({"program": program}, clock)
        job = {"tests": checks.tests, "given": checks.given if needs.given else ""}
        tester.begin({**job, "modules": needs.modules, "remote": needs.remote}, clock)
        ended = _converse(candidate, tester, Clock(sandbox.limits.wall))
        candidate.kill()
        tester.kill()
    if isinstance(ended, Verdict):
        return ended
    return _in_one(sandbox, program, checks, ended)


def _converse(candidate: Box, tester: Box, clock: Clock) -> Verdict | str:
    """Carry messages until there is a verdict, or the reason why there cannot be one like this."""
    try:
        loaded = candidate.receive(clock)
    except BoxEndedError as error:
        return Verdict(False, str(error))
    if loaded != {"value": None}:
        return Verdict(False, _raised(loaded))
    while True:
        try:
            said = tester.receive(clock)
        except BoxEndedError as error:
            return Verdict(False, f"the tests did not finish: {error}")
        if "verdict" in said:
            return _read(said["verdict"])
        try:
            candidate.send(json.dumps(said["call"]).encode(), clock)
            tester.send(candidate.receive_line(clock), clock)
        except BoxEndedError as error:
            return Verdict(False, str(error))


def _read(verdict: dict[str, str | bool]) -> Verdict | str:
    if "needs_one_process" in verdict:
        return str(verdict["needs_one_process"])
    reason = verdict.get("reason")
    return Verdict(bool(verdict["passed"]), clean(str(reason), _LONGEST_REASON) if reason else None)


def _raised(message: object) -> str:
    match message:
        case {"raised": [str(kind), str(text)]}:
            return clean(f"the program raised {kind}: {text}", _LONGEST_REASON)
        case _:
            return "the program answered nonsense"


def _in_one(sandbox: Sandbox, program: str, checks: Checks, why: str) -> Verdict:
    with open_box(sandbox, "candidate") as box:
        source = f"{program}\n\n{checks.tests}\n"
        box.begin({"program": source}, Clock(sandbox.limits.start))
        try:
            ended = box.receive(Clock(sandbox.limits.wall))
        except BoxEndedError as error:
            return Verdict(False, str(error), why)
    if ended == {"value": None}:
        return Verdict(True, None, why)
    return Verdict(False, _raised(ended), why)
