"""A collection that is killed again and again loses nothing, and pays nothing twice that it had.

A child process collects from a loopback server in this process and is ended by SIGKILL at random
points, each with calls under way. Then the rest is collected, and the log is compared with that of
an undisturbed run and of one that makes one call at a time. No model is called and no network is
used.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import random
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path

from fusion_agents.answering.policy import AnswerPolicy
from fusion_agents.collecting import collect
from fusion_agents.pool.pool import Pool
from fusion_agents.stores.exporting import export_log
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.testing.openai_server import Behaviour, OpenAIServer, Request, Rule
from fusion_agents.types import Query

POLICY = AnswerPolicy(deadline=60, attempt_timeout=20, max_attempts=8, attempts_per_arm=8)
FORK = multiprocessing.get_context("forkserver")


def queries(n: int) -> list[Query]:
    return [
        Query(text=f"How much is {i} + {i + 1}?", ground_truth=str(2 * i + 1), metric="number")
        for i in range(n)
    ]


def child(url: str, path: str, n: int, concurrency: int) -> None:
    """Collect as anybody would."""
    pool = Pool({"m": {"model": "m", "base_url": url, "price": {"input": 1.0, "output": 2.0}}})
    with RoutingLog(path) as log:
        asyncio.run(collect(pool, queries(n), log, concurrency=concurrency, policy=POLICY))


def start(url: str, path: Path, n: int, concurrency: int) -> BaseProcess:
    process = FORK.Process(target=child, args=(url, str(path), n, concurrency))
    process.start()
    return process


def answering(draw: random.Random, longest: float) -> Rule:
    def rule(request: Request) -> Behaviour:
        first, _, second = request.text.removeprefix("How much is ").rstrip("?").partition(" + ")
        total = int(first) + int(second) - (int(first) % 7 == 0)
        return Behaviour(text=f"It is {total}.", delay=draw.uniform(0.2, 1.0) * longest)

    return rule


def stored(path: Path) -> dict[str, str]:
    """Texts of answered queries, with the keys of their entries."""
    with RoutingLog(path) as log:
        found: dict[str, str] = {}
        for entry in log.scan():
            assert entry.error is None, entry
            assert entry.query.text not in found, f"stored twice: {entry.query.text}"
            found[entry.query.text] = entry.key
    return found


@dataclass
class Findings:
    in_flight: list[int] = field(default_factory=list)
    repaid: list[int] = field(default_factory=list)
    lost: int = 0
    completed_again: int = 0


def kill_once(
    server: OpenAIServer, path: Path, n: int, limit: int, draw: random.Random, found: Findings
) -> bool:
    """Start, kill at a random point with calls under way; false if it was over before."""
    before = stored(path) if path.exists() else {}
    seen = server.hits
    process = start(server.base_url, path, n, limit)
    after = draw.randint(1, 2 * limit)
    while process.is_alive() and (server.hits - seen < after or not server.in_service):
        time.sleep(0.0005)
    time.sleep(draw.uniform(0, 0.02))
    in_flight = server.in_service
    if process.pid is None or not process.is_alive() or not in_flight:
        process.kill()
        process.join()
        return False
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    while server.in_service:
        time.sleep(0.001)
    asked = Counter(request.text for request in server.requests[seen:])
    now = stored(path)
    found.in_flight.append(in_flight)
    found.lost += sum(now.get(text) != key for text, key in before.items())
    found.completed_again += sum(text in before for text in asked)
    found.repaid.append(sum(text not in now for text in asked))
    assert max(asked.values()) == 1, "asked twice in one run"
    return True


def rows(path: Path) -> list[str]:
    """What an export holds, times aside, in order of the queries."""
    target = path.with_suffix(".jsonl")
    with RoutingLog(path) as log:
        export_log(log, target)
    kept = []
    for line in target.read_text().splitlines():
        row = json.loads(line)
        for name in ("time", "latency", "checksum"):
            del row[name]
        kept.append(json.dumps(row, sort_keys=True))
    return sorted(kept)


def run_through(server: OpenAIServer, path: Path, n: int, concurrency: int) -> float:
    began = time.monotonic()
    process = start(server.base_url, path, n, concurrency)
    process.join()
    assert process.exitcode == 0, process.exitcode
    return time.monotonic() - began


def main(n: int, kills: int, limit: int, seed: int) -> None:
    draw = random.Random(seed)
    found = Findings()
    with tempfile.TemporaryDirectory() as folder, OpenAIServer() as server:
        killed = Path(folder) / "killed.db"
        server.rule = answering(draw, 0.5)
        idle = 0
        while len(found.repaid) < kills:
            if not kill_once(server, killed, n, limit, draw, found):
                idle += 1
                assert idle < kills, "the collection is over before it was killed often enough"
            if len(found.repaid) % 20 == 0:
                done = len(stored(killed))
                print(f"{len(found.repaid)} kills, {done} answers", file=sys.stderr, flush=True)
        left = n - len(stored(killed))
        run_through(server, killed, n, limit)
        hits = server.hits
        peak = server.peak
        resumed = run_through(server, killed, n, limit)
        again = server.hits - hits
        with RoutingLog(killed) as log:
            totals = log.ledger.totals()
        server.rule = answering(draw, 0.0)
        plain, single = Path(folder) / "plain.db", Path(folder) / "single.db"
        run_through(server, plain, n, limit)
        run_through(server, single, n, 1)
        expected = rows(plain)
        print(
            f"{len(found.repaid)} SIGKILLs of a collection of {n} calls, {limit} at a time; calls "
            f"under way at each: at least {min(found.in_flight)}, median "
            f"{statistics.median(found.in_flight):.0f}, at most {max(found.in_flight)}; {left} "
            f"calls were left for the end\n"
            f"lost answers {found.lost}, rows twice 0, answered calls made again "
            f"{found.completed_again}; paid again per kill: mean "
            f"{statistics.mean(found.repaid):.1f}, at most {max(found.repaid)} (limit {limit}); "
            f"most requests at a time {peak}\n"
            f"requests {hits}, attempts in the ledger {totals.attempts}, of which cut off "
            f"{totals.cut_off}; resumed when finished: {again} requests in {resumed:.2f} s, "
            f"process start included\n"
            f"rows as in an undisturbed run: {rows(killed) == expected}; as one call at a time: "
            f"{rows(single) == expected}; {len(expected)} rows"
        )
        assert not found.lost
        assert not found.completed_again
        assert max(found.repaid) <= limit
        assert again == 0
        assert len(expected) == n
        assert rows(killed) == rows(single) == expected


if __name__ == "__main__":
    os.environ.setdefault("LANGSMITH_TRACING", "false")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=5000)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--concurrency", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    FORK.set_forkserver_preload(["fusion_agents.collecting", "langchain_openai", __name__])
    main(given.calls, given.kills, given.concurrency, given.seed)
