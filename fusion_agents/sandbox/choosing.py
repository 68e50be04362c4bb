"""The best sandbox that this machine has, tried out before it is used."""

import threading
from typing import NamedTuple

from fusion_agents.errors import NoSandboxError, SandboxError
from fusion_agents.sandbox.base import Sandbox
from fusion_agents.sandbox.bubblewrap import Bubblewrap
from fusion_agents.sandbox.canaries import Canary, try_out
from fusion_agents.sandbox.containers import Docker, Podman

TIERS: tuple[type[Sandbox], ...] = (Bubblewrap, Docker, Podman)
"""Best first."""

_lock = threading.Lock()
_found: list["Trial"] = []


class Trial(NamedTuple):
    """How trying out one kind of sandbox ended."""

    sandbox: Sandbox
    canaries: tuple[Canary, ...] = ()
    """Every attempt to break out; empty if it did not get so far."""
    problem: NoSandboxError | None = None
    """Why it may not be used; none if it may."""


def try_sandbox(sandbox: Sandbox) -> Trial:
    """Try a sandbox out: every attempt to break out of it must fail."""
    try:
        canaries = try_out(sandbox)
    except NoSandboxError as error:
        return Trial(sandbox, problem=error)
    except SandboxError as error:
        return Trial(sandbox, problem=NoSandboxError(f"{sandbox.name}: {error}", _fix(str(error))))
    open_ones = [f"{name} ({detail})" for name, blocked, detail in canaries if not blocked]
    if open_ones:
        cause = f"{sandbox.name} does not stop a program here: {', '.join(open_ones)}"
        return Trial(sandbox, canaries, NoSandboxError(cause, "use another sandbox or machine"))
    return Trial(sandbox, canaries)


def _fix(complaint: str) -> str:
    text = complaint.lower()
    if "namespace" in text or "permission" in text or "not permitted" in text:
        return (
            "allow user namespaces (sysctl kernel.apparmor_restrict_unprivileged_userns=0, or "
            "user.max_user_namespaces=10000; in a container, run it with --privileged or score "
            "outside of it), or start docker or podman"
        )
    return "see 'fusion-agents doctor'"


def trials() -> tuple[Trial, ...]:
    """Try the tiers, best first, until one works; done once in a process."""
    with _lock:
        if not _found:
            for tier in TIERS:
                _found.append(try_sandbox(tier()))
                if _found[-1].problem is None:
                    break
        return tuple(_found)


def find_sandbox() -> Sandbox:
    """Give the best sandbox that works here; nothing unknown has run before this is known.

    Raises:
        NoSandboxError: If there is none; it says what is wrong with each and what to do.
    """
    tried = trials()
    if tried[-1].problem is None:
        return tried[-1].sandbox
    problems = [trial.problem for trial in tried if trial.problem is not None]
    raise NoSandboxError(
        "; ".join(p.cause for p in problems), ", or ".join(p.fix for p in problems)
    )
