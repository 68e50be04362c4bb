"""How much a program in a sandbox may use."""

from dataclasses import dataclass

_MIB = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one process in a sandbox may use; it and its children die beyond it.

    Time is counted on the processor, so that a busy machine fails nobody; `wall` is there for
    programs that sleep. Memory is bounded for each process, so all of them together take at most
    `memory` times `processes`.
    """

    cpu: int = 10
    """Seconds of processor time."""
    wall: float = 40.0
    """Seconds from the start of the program to the verdict."""
    memory: int = 512 * _MIB
    """Bytes of address space of one process."""
    processes: int = 8
    """Processes and threads at a time."""
    file_size: int = 16 * _MIB
    """Bytes of one file."""
    open_files: int = 64
    tmp: int = 32 * _MIB
    """Bytes in `/tmp`, which lies in memory."""
    shared_memory: int = 8 * _MIB
    """Bytes in `/dev/shm`."""
    start: float = 20.0
    """Seconds within which a sandbox must be up, or it counts as broken."""

    def arguments(self) -> list[str]:
        """Say the limits that a process sets on itself, as `fusion_agents.sandbox.inside` reads it.

        >>> Limits(cpu=3).arguments()[0]
        'CPU=3'
        """
        limits = {
            "CPU": self.cpu,
            "AS": self.memory,
            "NPROC": self.processes,
            "FSIZE": self.file_size,
            "NOFILE": self.open_files,
            "CORE": 0,
        }
        return [f"{name}={number}" for name, number in limits.items()]


DEFAULT = Limits()
