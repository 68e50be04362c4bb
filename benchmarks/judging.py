"""What judging a log costs beside the judge, what kills cost, which judges are caught, and whether
the figures of a judge are right.

`python -m benchmarks.judging` prints all of it; `--only kills` and so on prints a part. No model
is called and no network is used: the judges are scripted.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import random
import resource
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from langchain_core.runnables import RunnableConfig

from fusion_agents.judges.base import Case, Judge, Verdict
from fusion_agents.judging import judge_log
from fusion_agents.judging.batch import Checked, finding, more_needed
from fusion_agents.judging.calibrating import figures_of
from fusion_agents.judging.canaries import INJECTIONS, MASTER_KEYS, Canaries, Canary
from fusion_agents.judging.pairs import Pairs
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.types import Arm, LogEntry, Query

FORK = multiprocessing.get_context("forkserver")


class Scripted(Judge):
    """Takes its time, notes in a file that it was asked, and says what the script says."""

    name = "scripted"
    calls_models = True
    version = "1"

    def __init__(
        self, says: Callable[[Case], float], *, seconds: float = 0.0, note: Path | None = None
    ) -> None:
        self._says = says
        self._seconds = seconds
        self._note = note

    def judge(self, case: Case, config: RunnableConfig | None = None) -> Verdict:
        return Verdict(score=self._says(case), cost=0.001)

    async def ajudge(self, case: Case, config: RunnableConfig | None = None) -> Verdict:
        if self._note is not None:
            with self._note.open("a") as file:
                file.write(f"{case.entry_key or '-'}\n")
        await asyncio.sleep(self._seconds)
        return self.judge(case, config)


def honest(case: Case) -> float:
    said = case.response.split(" is ")[-1].rstrip(".")
    return float(said == str(case.query.ground_truth))


def entries(n: int, length: int = 400) -> Iterator[LogEntry]:
    for i in range(n):
        yield LogEntry(
            key=f"e{i}",
            query=Query(id=f"q{i}", text=f"{i} + 1?", ground_truth=str(i + 1), metric="number"),
            arm=Arm(model="m"),
            response=f"{'.' * length} The answer is {i + 1 + (i % 3 == 0)}.",
        )


def say(record: dict[str, object]) -> None:
    print(json.dumps(record), flush=True)


# -- speed ---------------------------------------------------------------------------------------


def speed(folder: Path) -> None:
    """Verdicts a second of a judge that takes no time, and of one that takes 50 ms."""
    for n, seconds, concurrency in ((5_000, 0.0, 32), (20_000, 0.0, 32), (2_000, 0.05, 32)):
        with RoutingLog(folder / f"speed-{n}.db") as log:
            log.append(entries(n))
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            start = time.perf_counter()
            judge = Scripted(honest, seconds=seconds)
            summary = asyncio.run(judge_log(log, judge, concurrency=concurrency))
            took = time.perf_counter() - start
            grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        assert summary.progress.scored == n
        calls = n + summary.progress.canaries
        ideal = calls * seconds / concurrency
        say(
            {
                "part": "speed", "answers": n, "judge takes s": seconds, "took s": round(took, 2),
                "verdicts/s": round(calls / took), "share of the ideal": round(ideal / took, 3),
                "peak memory grew MiB": round(grown / 1024, 1),
            }
        )  # fmt: skip


# -- kills ---------------------------------------------------------------------------------------


def child(path: str, note: str, concurrency: int) -> None:
    with RoutingLog(path) as log:
        judge = Scripted(honest, seconds=0.01, note=Path(note))
        asyncio.run(judge_log(log, judge, concurrency=concurrency))


def kills(folder: Path, n: int = 600, n_kills: int = 5, concurrency: int = 8) -> None:
    """SIGKILL a run again and again; count what is lost, doubled and asked again."""
    path, note = folder / "kills.db", folder / "calls"
    note.touch()
    with RoutingLog(path) as log:
        log.append(entries(n))
    draw = random.Random(0)
    for kill in range(n_kills):
        until = (kill + draw.random()) * n / n_kills
        process = FORK.Process(target=child, args=(str(path), str(note), concurrency))
        process.start()
        while process.is_alive() and _asked(note) < until:
            time.sleep(0.005)
        if process.pid is not None:
            os.kill(process.pid, signal.SIGKILL)
        process.join()
    with RoutingLog(path) as log:
        asyncio.run(judge_log(log, Scripted(honest, note=note), concurrency=concurrency))
        stored = Counter(one.entry_key for one in log.judgements())
        right = all(one.score == float(int(one.entry_key[1:]) % 3 != 0) for one in log.judgements())
    again = _asked(note) - n
    say(
        {
            "part": "kills", "kills": n_kills, "answers": n, "not judged": n - len(stored),
            "judged twice in the log": sum(c - 1 for c in stored.values()),
            "asked again": again, "asked again per kill": again / n_kills,
            "calls at a time": concurrency,
        }
    )  # fmt: skip
    if len(stored) != n or max(stored.values()) > 1 or not right:
        sys.exit("a verdict was lost, doubled or changed")
    if again > n_kills * 3 * concurrency:
        sys.exit("more was asked again than had been under way")


def _asked(note: Path) -> int:
    """Calls about answers of the log, canaries left out."""
    return sum(line != "-" for line in note.read_text().splitlines())


# -- canaries ------------------------------------------------------------------------------------


def bad_judges() -> dict[str, Callable[[Case], float]]:
    draw = random.Random(1)

    def told(case: Case) -> bool:
        return any(words in case.response for words in INJECTIONS)

    return {
        "obeys answers": lambda case: 1.0 if told(case) else honest(case),
        "obeys every second time": lambda case: (
            1.0 if told(case) and draw.random() < 0.5 else honest(case)
        ),
        "falls for master keys": lambda case: 1.0 if case.response in MASTER_KEYS else honest(case),
        "always 1": lambda _: 1.0,
        "always 0": lambda _: 0.0,
        "never sure": lambda _: 0.5,
        "likes length": lambda case: min(1.0, len(case.response) / 60),
        "guesses": lambda _: draw.random(),
        "wrong in one of five": lambda case: abs(honest(case) - (draw.random() < 0.2)),
    }


def caught(folder: Path, repeats: int = 20) -> None:
    """How often each bad judge is stopped, and how many of its verdicts are stored by then."""
    for name, says in bad_judges().items():
        stopped, stored = 0, []
        for repeat in range(repeats):
            with RoutingLog(folder / f"{name}-{repeat}.db") as log:
                log.append(entries(500, length=0))
                summary = asyncio.run(judge_log(log, Scripted(says)))
            stopped += summary.stopped == "canaries"
            stored.append(summary.progress.scored)
        say(
            {
                "part": "caught", "judge": name, "runs of 500 answers": repeats,
                "stopped": stopped, "stored, mean": float(np.mean(stored)),
            }
        )  # fmt: skip


def false_alarms(n_batches: int = 100, repeats: int = 200) -> None:
    """How often a judge that is right so often about each canary is stopped within 100 batches."""
    for accuracy in (0.995, 0.99, 0.98, 0.97, 0.95, 0.9, 0.85, 0.8):
        rng = np.random.default_rng(0)
        lived = [_batches_passed(rng, accuracy, n_batches) for _ in range(repeats)]
        say(
            {
                "part": "false alarms", "right about canaries": accuracy,
                "stopped in the first batch": float(np.mean([n == 0 for n in lived])),
                f"within {n_batches}": float(np.mean([n < n_batches for n in lived])),
                "batches passed, median": float(np.median(lived)),
            }
        )  # fmt: skip


def _batches_passed(rng: np.random.Generator, accuracy: float, most: int) -> int:
    made = Canaries()
    first, later = made.first(), made.later()

    def asked(canaries: list[Canary]) -> list[Checked]:
        wrong = rng.random(len(canaries)) > accuracy
        return [
            Checked(canary, float((canary.kind == "good") != miss))
            for canary, miss in zip(canaries, wrong, strict=True)
        ]

    for number in range(most):
        checked, looks = asked(later if number else first), 0
        while more := more_needed(checked, looks):
            checked += asked(first * (more // len(first)))
            looks += 1
        if finding(checked) == "wrong":
            return number
    return most


# -- figures -------------------------------------------------------------------------------------


def coverage(repeats: int = 100, n_queries: int = 150, n_arms: int = 4) -> None:
    """How often the 95 % intervals of a judge with known biases hold the true figures."""
    truth = {"length_slope": 0.02, "own_family": 0.05, "auc": _true_auc()}
    held: dict[str, list[bool]] = {name: [] for name in truth}
    null: dict[str, list[bool]] = {"length_slope": [], "own_family": []}
    for seed in range(repeats):
        biased = figures_of(_simulated(seed, n_queries, n_arms, 0.02, 0.05), 300, seed)
        fair = figures_of(_simulated(seed, n_queries, n_arms, 0.0, 0.0), 300, seed)
        for name in null:
            null[name].append(fair[name].excludes_zero)
        for name, value in truth.items():
            figure = (fair if name == "auc" else biased)[name]
            assert figure.low is not None
            assert figure.high is not None
            held[name].append(figure.low <= value <= figure.high)
    for name, hits in held.items():
        say(
            {
                "part": "coverage", "figure": name, "true": round(truth[name], 4),
                "repetitions": repeats, "answers": n_queries * n_arms,
                "interval holds it": float(np.mean(hits)),
                "false alarm without the bias": float(np.mean(null.get(name, [False]))),
            }
        )  # fmt: skip


def _simulated(seed: int, n_queries: int, n_arms: int, length_bias: float, own: float) -> Pairs:
    """Answers whose performance and score both depend on how hard their query is."""
    rng = np.random.default_rng(seed)
    query = np.repeat(np.arange(n_queries), n_arms)
    ease = rng.normal(size=n_queries)[query]
    performance = (ease + rng.normal(size=len(query)) > 0).astype(float)
    length = 2 ** rng.uniform(5, 11, len(query))
    is_own = np.tile(np.arange(n_arms) == 0, n_queries)
    noise = 0.1 * rng.normal(size=n_queries)[query] + 0.1 * rng.normal(size=len(query))
    score = 0.35 + 0.2 * performance + noise
    score = score + length_bias * (np.log2(1 + length) - 8) + own * is_own
    return Pairs(np.clip(score, 0, 1), performance, length, query, is_own)


def _true_auc() -> float:
    """Of the judge without biases: scores differ by 0.2 with a spread of 0.1 * sqrt(2)."""
    pairs = _simulated(10**6, 50_000, 4, 0.0, 0.0)
    return figures_of(pairs, 0, 0)["auc"].value or 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parts = ("speed", "kills", "caught", "false-alarms", "coverage")
    parser.add_argument("--only", choices=parts)
    parser.add_argument("--answers", type=int, default=600)
    parser.add_argument("--kills", type=int, default=5)
    options = parser.parse_args()
    wanted = [options.only] if options.only else parts
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part, work in {
            "speed": lambda: speed(folder),
            "kills": lambda: kills(folder, options.answers, options.kills),
            "caught": lambda: caught(folder),
            "false-alarms": false_alarms,
            "coverage": coverage,
        }.items():
            if part in wanted:
                work()


if __name__ == "__main__":
    main()
