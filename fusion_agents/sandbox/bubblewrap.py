"""Tier 1: namespaces made by bubblewrap, a filter of system calls, and limits set inside.

There is no `/proc`, which would show the first process's environment and, to root, the kernel's
settings. Root starts bubblewrap without a user namespace and becomes a user of its own inside.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar

from fusion_agents.errors import NoSandboxError
from fusion_agents.sandbox.base import (
    ENVIRONMENT,
    Command,
    Part,
    Sandbox,
    interpreter,
    is_linux,
    packages,
)
from fusion_agents.sandbox.bundle import WHERE, bundle_descriptor, start
from fusion_agents.sandbox.seccomp import seccomp_filter
from fusion_agents.sandbox.slots import user_id

_ALONE = ("--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts")
_INSTALL = (
    "install bubblewrap (Debian, Ubuntu: apt install bubblewrap; Fedora: dnf install bubblewrap)"
)


@dataclass(frozen=True, kw_only=True)
class Bubblewrap(Sandbox):
    """Starts processes through `bwrap`."""

    name: ClassVar[str] = "bubblewrap"

    @contextmanager
    def command(self, part: Part) -> Iterator[Command]:
        """Say how to start a process; what it needs is held until the block ends."""
        with ExitStack() as stack:
            descriptor, bundle = _filter_descriptor(), bundle_descriptor()
            stack.callback(os.close, descriptor)
            stack.callback(os.close, bundle)
            python = self.interpret(start(part), _PYTHON)
            words = [
                *(program("bwrap"), *_ALONE, "--unshare-cgroup-try"),
                *("--die-with-parent", "--new-session", "--clearenv", "--cap-drop", "ALL"),
                *_environment(),
            ]
            if os.geteuid() == 0:
                uid = str(stack.enter_context(user_id()))
                words += [
                    *_keep_capabilities(),
                    *self._mounts(bundle),
                    "--seccomp",
                    str(descriptor),
                ]
                words += ["--", *_become(uid), *python]
            else:
                words += ["--unshare-user", *_disable_userns(), *self._mounts(bundle)]
                words += ["--seccomp", str(descriptor), "--", *python]
            yield Command(words, {}, (descriptor, bundle))

    def _mounts(self, bundle: int) -> list[str]:
        limits = self.limits
        return [
            *_system_mounts(),
            *("--perms", "0444", "--ro-bind-data", str(bundle), WHERE),
            *("--dev", "/dev", "--perms", "1777", "--size", str(limits.tmp), "--tmpfs", "/tmp"),
            *("--perms", "1777", "--size", str(limits.shared_memory), "--tmpfs", "/dev/shm"),
            *("--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/tmp"),
        ]


_FOLDERS = ("/usr", "/usr/bin", "/python", "/python/bin", "/python/lib", "/packages", "/inside")
"""Made by hand, because those that bubblewrap makes are for root alone."""
_PYTHON = f"/python/bin/python{sys.version_info.major}.{sys.version_info.minor}"


@cache
def program(name: str) -> str:
    """Find a program.

    Raises:
        NoSandboxError: If it is not installed.
    """
    if not is_linux():
        raise NoSandboxError("bubblewrap needs Linux", "start docker or podman, or use Linux")
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/bin:/bin:/usr/sbin:/sbin")
    if found is None:
        raise NoSandboxError(f"the program {name!r} is not installed", _INSTALL)
    return str(Path(found).resolve())


def _filter_descriptor() -> int:
    descriptor = os.memfd_create("filter")
    os.write(descriptor, seccomp_filter())
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


@cache
def _environment() -> list[str]:
    return [word for name, value in ENVIRONMENT.items() for word in ("--setenv", name, value)]


@cache
def _system_mounts() -> list[str]:
    """The interpreter, its libraries, numpy; nothing else of this machine."""
    words = [word for folder in _FOLDERS for word in ("--perms", "0755", "--dir", folder)]
    for path in map(Path, ("/lib", "/lib64", "/lib32", "/usr/lib", "/usr/lib64", "/usr/lib32")):
        if path.is_symlink():
            words += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            words += ["--ro-bind", str(path), str(path)]
    if os.geteuid() == 0:
        words += ["--ro-bind", program("setpriv"), "/usr/bin/setpriv"]
    words += _interpreter_mounts()
    for name, path in packages().items():
        words += ["--ro-bind", str(path), f"/packages/{name}"]
    return words


def _interpreter_mounts() -> list[str]:
    """The interpreter and its standard library, without what else is installed beside them."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    prefix = Path(sys.base_prefix).resolve()
    words = ["--ro-bind", str(interpreter().resolve()), _PYTHON]
    for library in sorted({*prefix.glob("lib/libpython*.so*"), prefix / "lib" / version}):
        words += ["--ro-bind", str(library.resolve()), f"/python/lib/{library.name}"]
    for third_party in ("site-packages", "dist-packages"):
        if (prefix / "lib" / version / third_party).is_dir():
            words += ["--tmpfs", f"/python/lib/{version}/{third_party}"]
    return words


@cache
def _disable_userns() -> tuple[str, ...]:
    """Newer versions can forbid further user namespaces; the filter forbids them in any case."""
    ended = subprocess.run(
        [program("bwrap"), "--help"], capture_output=True, text=True, timeout=10, check=False
    )
    return ("--disable-userns",) if "--disable-userns" in ended.stdout else ()


def _keep_capabilities() -> list[str]:
    kept = ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP")
    return [word for capability in kept for word in ("--cap-add", capability)]


def _become(uid: str) -> list[str]:
    return [
        *("/usr/bin/setpriv", "--reuid", uid, "--regid", uid, "--clear-groups"),
        *("--bounding-set=-all", "--inh-caps=-all", "--no-new-privs", "--"),
    ]
