import struct

import pytest

from fusion_agents.errors import NoSandboxError
from fusion_agents.sandbox.seccomp import seccomp_filter

ALLOW, KILL, EPERM, ENOSYS = 0x7FFF0000, 0x80000000, 0x00050001, 0x00050026
X86, ARM = 0xC000003E, 0xC00000B7
TESTS = {
    0x15: lambda a, k: a == k,
    0x35: lambda a, k: a >= k,
    0x45: lambda a, k: bool(a & k),
}


def run(code: bytes, audit: int, number: int, *arguments: int) -> int:
    """What the kernel does with a call, after its documentation."""
    padded = [*arguments, *([0] * (6 - len(arguments)))]
    data = struct.pack("<IIQ6Q", number, audit, 0, *padded)
    steps = [struct.unpack_from("<HBBI", code, at) for at in range(0, len(code), 8)]
    at = accumulator = 0
    while True:
        operation, if_true, if_false, value = steps[at]
        at += 1
        if operation == 0x20:
            (accumulator,) = struct.unpack_from("<I", data, value)
        elif operation == 0x06:
            return value
        else:
            at += if_true if TESTS[operation](accumulator, value) else if_false


@pytest.mark.parametrize(
    ("machine", "audit", "calls"),
    [
        ("x86_64", X86, {"ptrace": 101, "unshare": 272, "bpf": 321, "mount": 165, "keyctl": 250}),
        ("aarch64", ARM, {"ptrace": 117, "unshare": 97, "bpf": 280, "mount": 40, "keyctl": 219}),
    ],
)
def test_calls_that_open_a_way_out_are_refused(
    machine: str, audit: int, calls: dict[str, int]
) -> None:
    code = seccomp_filter(machine)
    assert {name: run(code, audit, number) for name, number in calls.items()} == dict.fromkeys(
        calls, EPERM
    )
    assert run(code, audit, 435) == ENOSYS  # clone3
    assert run(code, audit, 425) == EPERM  # io_uring_setup


@pytest.mark.parametrize(
    ("machine", "audit", "read", "socket", "clone", "ioctl"),
    [("x86_64", X86, 0, 41, 56, 16), ("aarch64", ARM, 63, 198, 220, 29)],
)
def test_arguments_decide_about_sockets_children_and_terminals(
    machine: str, audit: int, read: int, socket: int, clone: int, ioctl: int
) -> None:
    code = seccomp_filter(machine)
    assert run(code, audit, read) == ALLOW
    assert run(code, audit, socket, 1, 1) == ALLOW
    assert [run(code, audit, socket, family, 1) for family in (2, 10, 16, 17, 40)] == [EPERM] * 5
    assert run(code, audit, clone, 17) == ALLOW
    assert run(code, audit, clone, 0x003D0F00) == ALLOW  # a thread
    assert run(code, audit, clone, 0x10000000 | 17) == EPERM
    assert run(code, audit, ioctl, 0, 0x5401) == ALLOW
    assert run(code, audit, ioctl, 0, 0x5412) == EPERM
    assert run(code, audit, ioctl, 0, 0xFFFFFFFF00005412) == EPERM


def test_other_ways_to_call_the_kernel_are_deadly() -> None:
    code = seccomp_filter("x86_64")
    assert run(code, 0x40000003, 1) == KILL  # 32 bits
    assert run(code, X86, 0x40000000 | 101) == KILL  # x32


def test_an_unknown_processor_has_no_filter_and_so_no_sandbox() -> None:
    with pytest.raises(NoSandboxError, match="sparc64"):
        seccomp_filter("sparc64")
