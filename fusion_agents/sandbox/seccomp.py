"""The filter of system calls, assembled here so that no library is needed.

Everything that Python programs need is allowed; what opens a way to the kernel, to other processes
or to the network, or holds memory that no limit counts, is refused: `EPERM`, and `ENOSYS` for
`clone3`, whose flags a filter cannot read.
"""

import platform
import struct
import sys
from typing import NamedTuple

from fusion_agents.errors import NoSandboxError

_LOAD, _EQUAL, _GREATER_OR_EQUAL, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_EPERM, _ENOSYS = 1, 38
_NUMBER, _ARCHITECTURE, _FIRST, _SECOND = 0, 4, 16, 24
"""Offsets in `struct seccomp_data`; of an argument, its low half."""
_X32 = 0x40000000
_AF_UNIX = 1
_NEW_NAMESPACES = 0x7E020080
"""All flags of `clone` that make a namespace: CLONE_NEWNS, NEWCGROUP, NEWUTS, ..., NEWTIME."""
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C

_EVERYWHERE = {
    "io_uring_setup": 425,
    "io_uring_enter": 426,
    "io_uring_register": 427,
    "open_tree": 428,
    "move_mount": 429,
    "fsopen": 430,
    "fsconfig": 431,
    "fsmount": 432,
    "fspick": 433,
    "pidfd_getfd": 438,
    "mount_setattr": 442,
    "quotactl_fd": 443,
    "memfd_secret": 447,
    "open_tree_attr": 467,
}
_X86_64 = {
    "shmget": 29,
    "semget": 64,
    "msgget": 68,
    "ptrace": 101,
    "syslog": 103,
    "mknod": 133,
    "uselib": 134,
    "vhangup": 153,
    "modify_ldt": 154,
    "pivot_root": 155,
    "adjtimex": 159,
    "chroot": 161,
    "acct": 163,
    "settimeofday": 164,
    "mount": 165,
    "umount2": 166,
    "swapon": 167,
    "swapoff": 168,
    "reboot": 169,
    "sethostname": 170,
    "setdomainname": 171,
    "iopl": 172,
    "ioperm": 173,
    "init_module": 175,
    "delete_module": 176,
    "quotactl": 179,
    "nfsservctl": 180,
    "lookup_dcookie": 212,
    "clock_settime": 227,
    "mbind": 237,
    "set_mempolicy": 238,
    "kexec_load": 246,
    "add_key": 248,
    "request_key": 249,
    "keyctl": 250,
    "migrate_pages": 256,
    "mknodat": 259,
    "unshare": 272,
    "move_pages": 279,
    "mq_open": 240,
    "perf_event_open": 298,
    "fanotify_init": 300,
    "name_to_handle_at": 303,
    "open_by_handle_at": 304,
    "clock_adjtime": 305,
    "setns": 308,
    "process_vm_readv": 310,
    "process_vm_writev": 311,
    "kcmp": 312,
    "finit_module": 313,
    "memfd_create": 319,
    "kexec_file_load": 320,
    "bpf": 321,
    "userfaultfd": 323,
}
_GENERIC = {
    "lookup_dcookie": 18,
    "mknodat": 33,
    "umount2": 39,
    "mount": 40,
    "pivot_root": 41,
    "nfsservctl": 42,
    "chroot": 51,
    "vhangup": 58,
    "quotactl": 60,
    "acct": 89,
    "kexec_load": 104,
    "init_module": 105,
    "delete_module": 106,
    "clock_settime": 112,
    "syslog": 116,
    "ptrace": 117,
    "reboot": 142,
    "sethostname": 161,
    "setdomainname": 162,
    "settimeofday": 170,
    "adjtimex": 171,
    "mq_open": 180,
    "msgget": 186,
    "semget": 190,
    "shmget": 194,
    "add_key": 217,
    "request_key": 218,
    "keyctl": 219,
    "swapon": 224,
    "swapoff": 225,
    "mbind": 235,
    "set_mempolicy": 237,
    "unshare": 97,
    "migrate_pages": 238,
    "move_pages": 239,
    "perf_event_open": 241,
    "fanotify_init": 262,
    "name_to_handle_at": 264,
    "open_by_handle_at": 265,
    "clock_adjtime": 266,
    "setns": 268,
    "process_vm_readv": 270,
    "process_vm_writev": 271,
    "kcmp": 272,
    "finit_module": 273,
    "memfd_create": 279,
    "bpf": 280,
    "userfaultfd": 282,
    "kexec_file_load": 294,
}


class _Architecture(NamedTuple):
    audit: int
    refused: dict[str, int]
    socket: int
    clone: int
    ioctl: int
    has_x32: bool = False


_CLONE3 = 435
_ARCHITECTURES = {
    "x86_64": _Architecture(0xC000003E, _X86_64, socket=41, clone=56, ioctl=16, has_x32=True),
    "aarch64": _Architecture(0xC00000B7, _GENERIC, socket=198, clone=220, ioctl=29),
    "riscv64": _Architecture(0xC00000F3, _GENERIC, socket=198, clone=220, ioctl=29),
}


def seccomp_filter(machine: str | None = None) -> bytes:
    """Assemble the filter for a kind of processor, as `bwrap --seccomp` reads it.

    >>> len(seccomp_filter("x86_64")) % 8
    0

    Args:
        machine: As `uname -m` names it; this machine's where none.

    Raises:
        NoSandboxError: If there is no filter for it.
    """
    machine = machine or platform.machine()
    if machine not in _ARCHITECTURES or sys.byteorder != "little":
        raise NoSandboxError(
            f"no filter of system calls is known for {machine!r} processors",
            "install docker or podman, or use a machine with an x86_64 or arm64 processor",
        )
    return _assemble(_ARCHITECTURES[machine])


def _assemble(machine: _Architecture) -> bytes:
    code = [
        *_guard(_ARCHITECTURE, machine.audit),
        _statement(_LOAD, _NUMBER),
        *([_jump(_GREATER_OR_EQUAL, _X32, 0, 1), _kill()] if machine.has_x32 else []),
        *_refuse_if(_EQUAL, _CLONE3, _ENOSYS),
    ]
    for number in sorted({*machine.refused.values(), *_EVERYWHERE.values()}):
        code += _refuse_if(_EQUAL, number, _EPERM)
    code += _refuse_argument(machine.clone, _FIRST, _refuse_if(_ANY_BIT, _NEW_NAMESPACES, _EPERM))
    tty = _refuse_if(_EQUAL, _TIOCSTI, _EPERM) + _refuse_if(_EQUAL, _TIOCLINUX, _EPERM)
    code += _refuse_argument(machine.ioctl, _SECOND, tty)
    unix = [_jump(_EQUAL, _AF_UNIX, 1, 0), _statement(_RETURN, _ERRNO | _EPERM)]
    code += _refuse_argument(machine.socket, _FIRST, unix)
    code.append(_statement(_RETURN, _ALLOW))
    return b"".join(code)


def _guard(offset: int, wanted: int) -> list[bytes]:
    return [_statement(_LOAD, offset), _jump(_EQUAL, wanted, 1, 0), _kill()]


def _refuse_if(test: int, value: int, error: int) -> list[bytes]:
    return [_jump(test, value, 0, 1), _statement(_RETURN, _ERRNO | error)]


def _refuse_argument(number: int, offset: int, tests: list[bytes]) -> list[bytes]:
    """Apply tests to an argument of one system call, and load the call's number again."""
    inside = [_statement(_LOAD, offset), *tests, _statement(_LOAD, _NUMBER)]
    return [_jump(_EQUAL, number, 0, len(inside)), *inside]


def _kill() -> bytes:
    return _statement(_RETURN, _KILL)


def _statement(code: int, value: int) -> bytes:
    return _jump(code, value, 0, 0)


def _jump(code: int, value: int, if_true: int, if_false: int) -> bytes:
    return struct.pack("<HBBI", code, if_true, if_false, value)
