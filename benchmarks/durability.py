"""Kill writers at random points and see whether the log kept every acknowledged entry once.

Writers append batches of random size to one log. Each tells its parent through a pipe what it is
about to append and, after `append` has returned, that it did. The parent kills writers at random
points with SIGKILL, checks the log, and lets a new writer go on from what was acknowledged.
"""

import argparse
import json
import multiprocessing
import os
import random
import select
import signal
import sqlite3
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from fusion_agents.stores import LogFilter, RoutingLog
from fusion_agents.types import Arm, LogEntry, Query

ENOUGH_TO_TELL = 50
"""With fewer kills, chance alone may have all of them hit a writer between two writes."""

_FORK = multiprocessing.get_context("fork")  # a new writer in milliseconds, not in seconds


def entry(writer: int, number: int) -> LogEntry:
    """The same entry each time, so that it can be appended again and compared."""
    return LogEntry(
        key=f"{writer}-{number}",
        query=Query(text=f"What is {number} plus {number}?"),
        arm=Arm(model=f"model-{writer}"),
        response=f"{writer}: {2 * number}. " + "Because. " * (number % 300),
        cost=number / 1e6,
        source=f"writer {writer}",
    )


def write(path: Path, writer: int, start: int, stop: int, seed: int, pipe: int, leash: Any) -> None:
    """Append entries from `start` on, saying so before and after each batch."""
    rng = random.Random(seed)
    with RoutingLog(path) as log:
        while start < stop:
            while start > leash.value:  # its parent is slow: go on when it has caught up
                time.sleep(0.0005)
            end = min(start + rng.choice((1, 3, 10, 40)), stop)
            os.write(pipe, b"about %d\n" % end)
            log.append([entry(writer, number) for number in range(start, end)])
            os.write(pipe, b"stored %d\n" % end)
            start = end


@dataclass
class Writer:
    """One writer's process and what it has told."""

    number: int
    total: int
    acknowledged: int = 0
    intended: int = 0
    found: int = 0
    """How many the log held when its last life ended."""
    announced: set[int] = field(default_factory=set)
    """Where the batches of all its lives would have ended."""
    unread: bytes = b""
    pipe: int = -1
    process: BaseProcess = field(init=False)
    closed: bool = False
    leash: Any = field(default_factory=lambda: _FORK.RawValue("q", 0))
    """It begins no batch beyond this entry, so that it has not finished before it can be killed."""

    @property
    def in_flight(self) -> bool:
        """Whether it has announced a batch that it has not acknowledged."""
        return self.intended > self.acknowledged

    @property
    def finished(self) -> bool:
        return self.acknowledged >= self.total

    @property
    def waits(self) -> bool:
        """Whether it begins no batch before its parent lets it."""
        return self.finished or self.acknowledged > self.leash.value

    def start(self, path: Path, seed: int) -> None:
        self.pipe, child_end = os.pipe()
        self.closed = False
        self.intended, self.unread = 0, b""
        self.process = _FORK.Process(
            target=write,
            args=(path, self.number, self.acknowledged, self.total, seed, child_end, self.leash),
            daemon=True,
        )
        self.process.start()
        os.close(child_end)

    def listen(self, seconds: float) -> None:
        """Take in what it says within this time; after its death, everything that it said."""
        while not self.closed and select.select([self.pipe], [], [], seconds)[0]:
            if not (data := os.read(self.pipe, 65536)):
                return
            *lines, self.unread = (self.unread + data).split(b"\n")
            for line in lines:
                what, end = line.split()
                if what == b"stored":
                    self.acknowledged = int(end)
                else:
                    self.intended = int(end)
                    self.announced.add(self.intended)
            seconds = 0

    def kill(self) -> None:
        self.process.kill()

    def bury(self) -> int | None:
        """Wait for its end, hear its last words, and tell how it ended."""
        self.process.join()
        self.listen(0)
        if not self.closed:
            os.close(self.pipe)
            self.closed = True
        return self.process.exitcode


@dataclass
class Figures:
    """What happened."""

    kills: int = 0
    kills_while_writing: int = 0
    batches_lost_before_acknowledgement: int = 0
    batches_stored_without_acknowledgement: int = 0
    both_killed_at_once: int = 0
    entries: int = 0
    seconds: float = 0.0


def check(path: Path, writers: list[Writer], victims: list[Writer], figures: Figures) -> None:
    """After a kill: the file is sound, and what was acknowledged or whole is there."""
    with closing(sqlite3.connect(path, timeout=60)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    with RoutingLog(path) as log:
        for writer in writers:
            count = log.count(LogFilter(sources=(f"writer {writer.number}",)))
            assert count >= writer.acknowledged, f"{writer.acknowledged - count} entries lost"
            if writer in victims:
                _count_batch(writer, count, figures)


def _count_batch(victim: Writer, count: int, figures: Figures) -> None:
    """The batch that it was writing is there or not, but never a part of it.

    A commit that a killed writer had completed on the disk but not yet published to the other
    processes comes to light when the last of them is gone: so a batch of an earlier life counts.
    """
    before = max(victim.acknowledged, victim.found)
    possible = {before} | {end for end in victim.announced if end > before}
    assert count in possible, f"a batch was torn: {count} is none of {possible}"
    if victim.intended > before:
        figures.batches_stored_without_acknowledgement += count > before
        figures.batches_lost_before_acknowledgement += count == before
    victim.found = count


def run(path: Path, kills: int, entries: int, seed: int) -> Figures:
    """Kill writers `kills` times while two of them append `entries` entries."""
    rng = random.Random(seed)
    writers = [Writer(0, entries // 2), Writer(1, entries - entries // 2)]
    points = sorted(rng.uniform(0, 0.9 * entries) for _ in range(kills))
    figures = Figures(entries=entries)
    for writer in writers:
        writer.start(path, rng.randrange(2**32))
    while figures.kills < kills:
        for writer in writers:
            writer.leash.value = int(points[figures.kills] / 2 + 0.02 * entries)
        early = rng.random() < 0.1  # while the log is being opened, now and then
        _wait_for(points[figures.kills], writers, early)
        time.sleep(rng.uniform(0, 0.01))
        alive = [writer for writer in writers if not writer.finished]
        both = kills - figures.kills > 1 and len(alive) > 1 and rng.random() < 0.25
        victims = alive if both else [rng.choice(alive)]
        for victim in victims:
            victim.kill()
        killed = [victim for victim in victims if victim.bury() != 0]  # it may just have finished
        assert all(victim.process.exitcode == -signal.SIGKILL for victim in killed)
        figures.kills += len(killed)
        figures.kills_while_writing += sum(victim.in_flight for victim in killed)
        figures.both_killed_at_once += len(killed) > 1
        check(path, writers, killed, figures)
        for victim in killed:
            victim.start(path, rng.randrange(2**32))
    for writer in writers:
        writer.leash.value = entries
    for writer in writers:
        assert writer.bury() == 0, "a writer failed"
    return figures


def _wait_for(point: float, writers: list[Writer], early: bool) -> None:
    """Wait until so many entries are acknowledged, and every writer has begun to append."""
    while sum(writer.acknowledged for writer in writers) < point or not (
        early or all(writer.intended or writer.waits for writer in writers)
    ):
        for writer in writers:
            writer.listen(0.001)


def verify(path: Path, entries: int) -> None:
    """At the end: every entry is there, once, as it was given."""
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    with RoutingLog(path, read_only=True) as log:
        stored = {e.key: e for e in log.scan()}
        assert log.count() == len(stored) == entries
    for writer, total in ((0, entries // 2), (1, entries - entries // 2)):
        for number in range(total):
            assert stored[f"{writer}-{number}"] == entry(writer, number)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--entries", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="where to put the log; a temporary folder")
    options = parser.parse_args()
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder) / "log.db"
        figures = run(path, options.kills, options.entries, options.seed)
        verify(path, options.entries)
    figures.seconds = round(time.perf_counter() - started, 1)
    assert figures.kills == options.kills
    if options.kills >= ENOUGH_TO_TELL:
        assert figures.kills_while_writing >= options.kills / 2, "too few kills hit a write"
    print(json.dumps(vars(figures), indent=2))


if __name__ == "__main__":
    main()
