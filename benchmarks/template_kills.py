"""Kill a process that adds and indexes templates, and see whether all of them are found again.

A child process adds templates to a store on an embedded Chroma, in batches of random size, and
searches after each; it tells its parent what it is about to do and what it has done. The parent
ends it with SIGKILL at random points: while it opens and fills the index, adds, or indexes. The
next child has to find everything that was acknowledged, and says how long after its start it had.

Then, many times over, a second process tries to open the index while the first one writes.
"""

import argparse
import json
import multiprocessing
import os
import random
import select
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path

from benchmarks.template_index import Topics
from fusion_agents.errors import StoreError
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.stores.template_indexes.chroma import ChromaIndex
from fusion_agents.stores.template_store import TemplateStore
from fusion_agents.types import ThoughtTemplate

PATIENCE = 30.0
"""Seconds after its start in which a process has to find everything."""
REFUSAL = 1.0
"""Seconds in which a second process has to be refused."""

_CHILDREN = multiprocessing.get_context("forkserver")


def template(number: int) -> ThoughtTemplate:
    """The same template each time, so that it can be added again."""
    return ThoughtTemplate(
        problem=f"Add two numbers, as in case {number}.",
        reasoning="Write both numbers down. Add the digits from the right.",
        question=f"topic {number % 100}: what is {number} plus {number + 1}?",
        query_id=f"query-{number}",
    )


def work(folder: str, acknowledged: int, total: int, seed: int, started: float, pipe: int) -> None:
    """Find what was acknowledged, then go on to add."""
    rng = random.Random(seed)

    def say(*words: object) -> None:
        os.write(pipe, (" ".join(map(str, words)) + "\n").encode())

    say("open")
    with (
        RoutingLog(Path(folder) / "routing.db") as log,
        TemplateStore(log, ChromaIndex(Path(folder) / "index"), encoder=Topics()) as store,
    ):
        say("fill")
        find(store, acknowledged, rng)
        say("found", time.monotonic() - started)
        while acknowledged < total:
            end = min(acknowledged + rng.choice((1, 5, 25, 125)), total)
            say("add")
            store.add(map(template, range(acknowledged, end)))
            say("stored", end)
            say("index")
            assert store.search(template(end - 1).question, 1)[0].template == template(end - 1)
            say("indexed")
            acknowledged = end


def find(store: TemplateStore, acknowledged: int, rng: random.Random) -> None:
    """Every row is there, the index holds as many, and those that are searched for are found."""
    rows = {stored.template for stored in store.records()}
    assert all(template(number) in rows for number in range(acknowledged))
    sample = set(rng.sample(range(acknowledged), min(acknowledged, 100)))
    for number in sample | set(range(max(acknowledged - 100, 0), acknowledged)):
        (hit,) = store.search(template(number).question, 1)
        assert hit.template == template(number), number


@dataclass
class Child:
    """The process and what it has told."""

    folder: Path
    total: int
    rng: random.Random
    acknowledged: int = 0
    phase: str = ""
    seconds: list[float] = field(default_factory=list)
    unread: bytes = b""
    pipe: int = -1
    process: BaseProcess = field(init=False)

    def start(self) -> None:
        self.pipe, end = os.pipe()
        os.set_inheritable(end, True)
        self.unread, self.phase = b"", "start"
        arguments = (str(self.folder), self.acknowledged, self.total, self.rng.randrange(2**32))
        self.process = _CHILDREN.Process(
            target=work, args=(*arguments, time.monotonic(), _Handle(end))
        )
        self.process.start()
        os.close(end)

    def listen(self, seconds: float) -> bool:
        """Take in what it says within this time; false when there will be nothing more."""
        if not select.select([self.pipe], [], [], seconds)[0]:
            return True
        if not (data := os.read(self.pipe, 65536)):
            return False
        *lines, self.unread = (self.unread + data).split(b"\n")
        for line in lines:
            self.phase, *rest = line.decode().split()
            if self.phase == "stored":
                self.acknowledged = int(rest[0])
            elif self.phase == "found":
                self.seconds.append(float(rest[0]))
        return True

    def end(self) -> int | None:
        """Wait for its end, and hear its last words."""
        self.process.join()
        while self.listen(0.1):
            if not select.select([self.pipe], [], [], 0)[0]:
                break
        os.close(self.pipe)
        return self.process.exitcode


class _Handle:
    """A file descriptor that is passed on to a process that is about to start."""

    def __init__(self, handle: int) -> None:
        self.handle = handle

    def __reduce__(self) -> tuple[object, ...]:
        from multiprocessing.reduction import DupFd  # noqa: PLC0415

        return _detach, (DupFd(self.handle),)


def _detach(passed: object) -> int:
    return int(passed.detach())  # type: ignore[attr-defined]


def kill(folder: Path, kills: int, total: int, seed: int) -> dict[str, object]:
    """Kill a child at random points until it has added everything."""
    child = Child(folder, total, random.Random(seed))
    phases: Counter[str] = Counter()
    for number in range(kills):
        child.start()
        target = int(total * (number + 1) / (kills + 1))
        if child.rng.random() < 0.2:  # before it has found everything
            _listen_for(child, child.rng.uniform(0.1, 4.0))
        else:
            while child.acknowledged < target or child.phase == "start":
                assert child.listen(1.0), "the child failed"
            _listen_for(child, child.rng.uniform(0.0, 0.05))
        child.process.kill()
        assert child.end() == -signal.SIGKILL
        phases[child.phase] += 1
        if (number + 1) % 10 == 0:
            longest = max(child.seconds, default=0.0)
            print(f"{number + 1} kills, longest {longest:.1f} s", file=sys.stderr, flush=True)
    child.start()
    while child.listen(1.0):
        pass
    assert child.end() == 0
    with (
        RoutingLog(folder / "routing.db") as log,
        TemplateStore(log, ChromaIndex(folder / "index"), encoder=Topics()) as store,
    ):
        assert store.count() == total
        for number in range(total):
            assert store.search(template(number).question, 1)[0].template == template(number)
    return {
        "templates": total,
        "kills": kills,
        "killed_in_phase": dict(phases),
        "restarts_that_found_everything": len(child.seconds),
        "seconds_after_restart_median": round(sorted(child.seconds)[len(child.seconds) // 2], 2),
        "seconds_after_restart_longest": round(max(child.seconds), 2),
    }


def _listen_for(child: Child, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        assert child.listen(left), "the child failed"


def intrude(folder: Path, pipe: int) -> None:
    """Try to open the index as a second process, and say how that ended and how long it took."""
    started = time.monotonic()
    try:
        ChromaIndex(folder / "index").close()
        said = "opened"
    except StoreError as error:
        said = str(error)
    os.write(pipe, json.dumps([said, time.monotonic() - started]).encode())


def contend(folder: Path, tries: int, seed: int) -> dict[str, object]:
    """Let a second process knock while the first one writes."""
    child = Child(folder, 10**9, random.Random(seed))
    child.start()
    while child.phase != "indexed":
        assert child.listen(1.0), "the child failed"
    longest = 0.0
    for _ in range(tries):
        ours, theirs = os.pipe()
        second = _CHILDREN.Process(target=intrude, args=(folder, _Handle(theirs)))
        second.start()
        os.close(theirs)
        said, seconds = json.loads(os.read(ours, 65536))
        second.join()
        os.close(ours)
        assert f"in use by process {child.process.pid} on" in said, said
        longest = max(longest, seconds)
        _listen_for(child, 0.01)
    child.process.kill()
    child.end()
    child.total = child.acknowledged + 1
    child.start()
    while child.listen(1.0):
        pass
    assert child.end() == 0, "something is lost"
    assert longest < REFUSAL
    return {
        "second_openings_refused": tries,
        "seconds_to_refusal_longest": round(longest, 3),
        "templates_written_meanwhile_and_found": child.acknowledged,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--templates", type=int, default=10_000)
    parser.add_argument("--tries", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    _CHILDREN.set_forkserver_preload(["chromadb", "fusion_agents.stores.template_store"])
    for measure, times in ((kill, options.kills), (contend, options.tries)):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder)
            if measure is kill:
                figures = kill(path, times, options.templates, options.seed)
            else:
                figures = contend(path, times, options.seed)
        print(json.dumps(figures, indent=2), flush=True)
        if float(str(figures.get("seconds_after_restart_longest", 0))) >= PATIENCE:
            print(f"a restart took longer than {PATIENCE:.0f} s; is the machine busy?")


if __name__ == "__main__":
    main()
