"""How fast the log takes entries, gives them back and turns into arrays.

Appending includes making the entries, which is also timed by itself.
"""

import argparse
import json
import resource
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

from fusion_agents.stores import LogFilter, RoutingLog
from fusion_agents.types import Arm, Judgement, LogEntry, Query, Usage, content_key

_START = datetime(2026, 1, 1, tzinfo=UTC)


def _entries(n_queries: int, n_arms: int, response: str) -> Iterator[LogEntry]:
    arms = [Arm(model=f"model-{i}", strategy="direct") for i in range(n_arms)]
    for q in range(n_queries):
        text = f"What is the sum of {q} and {q * 7}? Think of it and answer with a number."
        query = Query(text=text, task=f"task-{q % 14}", ground_truth=str(q * 8), metric="exact")
        for a, arm in enumerate(arms):
            yield LogEntry(
                key=content_key(q, a),
                query=query,
                arm=arm,
                response=response,
                usage=Usage(input_tokens=30, output_tokens=5),
                cost=0.001 * a,
                latency=0.5,
                performance=float((q + a) % 2),
                time=_START + timedelta(seconds=q * n_arms + a),
            )


@dataclass
class Figures:
    """Seconds (clock and processor), rows per second and peak memory so far, by what was done."""

    rows: dict[str, dict[str, float]] = field(default_factory=dict)

    def measure(self, name: str, work: Callable[[], object], rows: int) -> None:
        """Do it once, with the clock running."""
        start, cpu = time.perf_counter(), time.process_time()
        work()
        seconds = time.perf_counter() - start
        self.rows[name] = {
            "seconds": round(seconds, 3),
            "cpu_seconds": round(time.process_time() - cpu, 3),
            "rows_per_second": round(rows / seconds),
            "peak_rss_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        }


def limit_some(log: RoutingLog, n_entries: int) -> None:
    """Let users speak of a quarter of the answers."""
    log.append_judgements(
        Judgement(entry_key=e.key, score=1.0, judge="feedback", source=f"user-{i % 3}")
        for i, e in enumerate(islice(log.scan(), n_entries // 4))
    )


def run(log: RoutingLog, n_queries: int, n_arms: int, response: str) -> Figures:
    """Do what a user does with a log; each step once."""
    figures = Figures()
    n_entries = n_queries * n_arms
    n_single = 200

    def append() -> int:
        return log.append(_entries(n_queries, n_arms, response))

    def judge() -> int:
        verdicts = (Judgement(entry_key=e.key, score=0.5, judge="rubric") for e in log.scan())
        return log.append_judgements(verdicts)

    def append_singly() -> None:
        for entry in _entries(n_single // n_arms + 1, n_arms, response):
            log.append([entry.model_copy(update={"key": f"single {entry.key}"})])

    figures.measure(
        "make the entries", lambda: deque(_entries(n_queries, n_arms, ""), 0), n_entries
    )
    figures.measure("append", append, n_entries)
    figures.measure("append again", append, n_entries)
    figures.measure("outcomes", log.outcomes, n_entries)
    figures.measure("training outcomes", log.training_outcomes, n_entries)
    figures.measure("scan", lambda: deque(log.scan(), 0), n_entries)
    figures.measure("stats", log.stats, n_entries)
    figures.measure("judge", judge, n_entries)
    figures.measure("outcomes with judgements", log.outcomes, n_entries)
    figures.measure("training outcomes with judgements", log.training_outcomes, n_entries)
    limit_some(log, n_entries)
    figures.measure("training outcomes with limited names", log.training_outcomes, n_entries)
    one_task = LogFilter(tasks=("task-3",))
    figures.measure("outcomes of one task", lambda: log.outcomes(one_task), log.count(one_task))
    singles = (n_single // n_arms + 1) * n_arms
    figures.measure("append singly", append_singly, singles)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queries", type=int, default=6400)
    parser.add_argument("--arms", type=int, default=40)
    parser.add_argument("--response", type=int, default=200, help="characters per response")
    parser.add_argument("--folder", type=Path, help="where to put the log; a temporary folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder) / "log.db"
        with RoutingLog(path) as log:
            figures = run(log, options.queries, options.arms, "x" * options.response)
        size = path.stat().st_size
    print(json.dumps({"file_mib": round(size / 2**20), **figures.rows}, indent=2))


if __name__ == "__main__":
    main()
