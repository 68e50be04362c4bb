"""What collecting costs over bare calls, and what it makes of providers that misbehave.

Everything is asked of a loopback server in a process of its own. No model is called and no network
is used.
"""

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import os
import random
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openai

from fusion_agents.answering.policy import AnswerPolicy
from fusion_agents.collecting import CollectProgress, collect
from fusion_agents.errors import StoreError
from fusion_agents.pool.pool import Pool
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.testing.openai_server import Behaviour, OpenAIServer, Request
from fusion_agents.types import Query

PRICE = {"input": 1.0, "output": 2.0}
POLICY = AnswerPolicy(
    deadline=60, attempt_timeout=2, first_backoff=0.2, max_attempts=8, attempts_per_arm=8
)


class Rules:
    """How the server behaves, by name; made in the server's process."""

    def __init__(self, server: OpenAIServer) -> None:
        self.server = server
        self.draw = random.Random(0)

    def steady(self, _: Request, delay: float = 0.5) -> Behaviour:
        return Behaviour(text="The answer is 42.", delay=delay)

    def storm(self, _: Request) -> Behaviour:
        ticket = self.draw.random()
        if ticket < 0.30:
            return Behaviour(status=429, retry_after_ms=self.draw.choice([50, 100, 200]))
        if ticket < 0.35:
            return Behaviour(reset=True)
        if ticket < 0.37:
            return Behaviour(hang=True)
        return Behaviour(text="The answer is 42.", delay=0.1)

    def seventeen(self, _: Request) -> Behaviour:
        if self.server.in_service > 17:
            return Behaviour(status=429)
        return Behaviour(text="The answer is 42.", delay=0.5)

    def one_dead(self, request: Request) -> Behaviour:
        if request.model == "m0":
            return Behaviour(hang=True)
        return Behaviour(text="The answer is 42.", delay=0.2)


def serve(rule: str, pipe: Any) -> None:
    """Run a server until the pipe closes; tells what it saw when it is asked."""
    server = OpenAIServer()
    server.rule = getattr(Rules(server), rule)
    with server:
        pipe.send(server.base_url)
        with contextlib.suppress(EOFError):
            while pipe.recv():
                seen = [(r.time, r.model, r.text) for r in server.requests]
                pipe.send((seen, server.peak))


@contextlib.contextmanager
def served(rule: str) -> Iterator[tuple[str, Callable[[], Any]]]:
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(rule, theirs))
    process.start()

    def ask() -> Any:
        ours.send(True)
        return ours.recv()

    try:
        yield ours.recv(), ask
    finally:
        ours.send(False)
        process.join()


def pool_of(url: str, n: int = 1) -> Pool:
    return Pool({f"m{i}": {"model": f"m{i}", "base_url": url, "price": PRICE} for i in range(n)})


def queries(n: int) -> list[Query]:
    return [Query(text=f"How much is {i} + {i + 1}?") for i in range(n)]


@contextlib.contextmanager
def fresh_log() -> Iterator[RoutingLog]:
    with tempfile.TemporaryDirectory() as folder, RoutingLog(Path(folder) / "log.db") as log:
        yield log


async def bare(url: str, n: int, limit: int) -> float:
    """What a loop over the client does: nothing is kept."""
    slots = asyncio.Semaphore(limit)
    async with openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as client:

        async def one(query: Query) -> None:
            async with slots:
                await client.chat.completions.create(
                    model="m0", messages=[{"role": "user", "content": query.text}]
                )

        start = time.monotonic()
        await asyncio.gather(*(one(query) for query in queries(n)))
        return time.monotonic() - start


async def throughput(n: int, limit: int) -> None:
    with served("steady") as (url, _):
        plain = await bare(url, n, limit)
        pool = pool_of(url)
        await asyncio.to_thread(pool.chat_model, "m0")
        with fresh_log() as log:
            start = time.monotonic()
            await collect(pool, queries(n), log, concurrency=limit)
            ours = time.monotonic() - start
            start = time.monotonic()
            again = await collect(pool, queries(n), log, concurrency=limit)
            resumed = time.monotonic() - start
    print(
        f"{n} calls of 500 ms, {limit} at a time: bare AsyncOpenAI {plain:.2f} s, collect "
        f"{ours:.2f} s: {plain / ours:.1%} of its throughput; resumed when finished in "
        f"{resumed:.2f} s with {again.progress.answered} requests"
    )


async def storm(n: int, limit: int) -> None:
    with served("storm") as (url, ask), fresh_log() as log:
        start = time.monotonic()
        summary = await collect(pool_of(url), queries(n), log, concurrency=limit, policy=POLICY)
        took = time.monotonic() - start
        requests, peak = ask()
        progress = summary.progress
        print(
            f"30 % 429, 5 % reset, 2 % hang: {progress.answered} answered, {progress.failed} "
            f"errors {dict(progress.errors)} of {n}; {log.ledger.totals().under_way} pending; "
            f"{len(requests)} requests in {took:.1f} s ({n * 0.1 / limit:.1f} s without faults), "
            f"peak {peak} of {limit}, limit {progress.limits}"
        )


async def seventeen(seconds: float) -> None:
    limits: list[tuple[float, int]] = []
    with served("seventeen") as (url, ask), fresh_log() as log:
        start = time.monotonic()

        def note(progress: CollectProgress) -> None:
            limits.append((time.monotonic() - start, progress.limits["m0"]))

        task = asyncio.create_task(
            collect(pool_of(url), queries(100_000), log, policy=POLICY, on_progress=note)
        )
        await asyncio.sleep(seconds)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        requests, _ = ask()
        late = [limit for at, limit in limits if at > seconds / 2]
        settled = next(at for at, limit in limits if limit <= 20)
        times = [entry.time.timestamp() for entry in log.scan() if entry.time]
        recent = sum(at > max(times) - seconds / 2 for at in times)
        asked = sum(at > max(r[0] for r in requests) - seconds / 2 for at, *_ in requests)
        print(
            f"429 above 17: first at 20 or below after {settled:.1f} s; in the second half of "
            f"{seconds:.0f} s the limit is {min(late)} to {max(late)}, {1 - recent / asked:.1%} of "
            f"requests are refused, {recent / (seconds / 2):.1f} answers/s (34 at best)"
        )


async def one_dead(n: int) -> None:
    took = {}
    for names in (range(1, 10), range(10)):
        with served("one_dead") as (url, _), fresh_log() as log:
            tables = {f"m{i}": {"model": f"m{i}", "base_url": url} for i in names}
            done = {}
            start = time.monotonic()

            def note(progress: CollectProgress, done: dict[int, float] = done) -> None:
                done.setdefault(progress.answered, time.monotonic())

            await collect(
                tables, queries(n), log, policy=POLICY.model_copy(update={"deadline": 5.0}),
                on_progress=note,
            )  # fmt: skip
            took[len(names)] = done[9 * n] - start
    print(
        f"nine models, {n} calls each: {took[9]:.2f} s alone, {took[10]:.2f} s beside one that "
        f"hangs: {took[9] / took[10]:.1%} of the throughput"
    )


def memory(n: int) -> None:
    """In a process of its own, so that nothing else is counted."""
    with served("steady") as (url, ask):
        out = subprocess.run(
            [sys.executable, __file__, "--child-memory", url, str(n)],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        found = json.loads(out)
        first = min(at for at, *_ in ask()[0]) - found["began"]
    print(
        f"{n} planned calls: {found['peak']:.0f} MB at most ({found['imports']:.0f} MB after "
        f"imports), first request after {first:.2f} s"
    )


def megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def child_memory(url: str, n: int) -> None:
    imports = megabytes()
    began = time.monotonic()
    with fresh_log() as log:
        task = asyncio.create_task(collect(pool_of(url, 5), queries(n // 10), log,
                                           strategies=["direct", "think"]))  # fmt: skip
        await asyncio.sleep(20)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    print(json.dumps({"peak": megabytes(), "imports": imports, "began": began}))


@contextlib.contextmanager
def small_disk() -> Iterator[Path | None]:
    """A folder with 24 MB of room; none where only the administrator could make one."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", folder]
        try:
            subprocess.run(command, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            yield None
            return
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", folder], check=False)


async def disk_full() -> None:
    """The log lies on a small file system that something else fills up."""
    with small_disk() as folder:
        if folder is None:
            print("disk full: no small file system can be made here")
            return
        with served("steady") as (url, ask), RoutingLog(folder / "log.db") as log:
            filled = []

            def fill() -> None:
                with contextlib.suppress(OSError), (folder / "filler").open("wb") as file:
                    while True:
                        file.write(b"x" * 4096)
                        file.flush()
                filled.append(time.monotonic())

            threading.Timer(3.0, fill).start()
            reason = ""
            try:
                await collect(pool_of(url), queries(10_000), log, policy=POLICY)
            except StoreError as error:
                reason = str(error)
            stopped = time.monotonic()
            await asyncio.sleep(2)
            requests, _ = ask()
            late = sum(at > stopped for at, *_ in requests)
            kept = log.count()
            (folder / "filler").unlink()
            again = await collect(pool_of(url), queries(1_000), log, policy=POLICY)
            print(
                f"disk full: stopped {stopped - filled[0]:.2f} s later ({reason[-60:]}), {late} "
                f"requests after that; {kept} answers kept; the next run found "
                f"{again.progress.answered_before} and got {again.progress.answered} of 1000"
            )


async def main(n: int, seconds: float) -> None:
    await throughput(n, 40)
    await storm(n, 40)
    await one_dead(n // 10)
    await disk_full()
    await seventeen(seconds)
    memory(100_000)


if __name__ == "__main__":
    os.environ.setdefault("LANGSMITH_TRACING", "false")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=60, help="For the adaptive limit.")
    parser.add_argument("--only", help="One of the parts.")
    parser.add_argument("--child-memory", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child_memory:
        asyncio.run(child_memory(given.child_memory[0], int(given.child_memory[1])))
    elif given.only == "memory":
        memory(100_000)
    elif given.only == "throughput":
        asyncio.run(throughput(given.calls, 40))
    elif given.only == "storm":
        asyncio.run(storm(given.calls, 40))
    elif given.only == "dead":
        asyncio.run(one_dead(given.calls // 10))
    elif given.only == "disk":
        asyncio.run(disk_full())
    elif given.only == "seventeen":
        asyncio.run(seventeen(given.seconds))
    else:
        asyncio.run(main(given.calls, given.seconds))
