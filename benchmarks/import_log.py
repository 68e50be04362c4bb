"""How fast a log of FusionBench's size is imported, and in how much memory.

Makes its own file of 6,400 queries x 40 arms with responses of about 800 characters, as CSV and as
parquet, and imports each in a process of its own. Run: python benchmarks/import_log.py [n_queries]
"""

import csv
import multiprocessing
import random
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from fusion_agents.stores import RoutingLog
from fusion_agents.stores.formats.writing import write_parquet
from fusion_agents.stores.importing import import_files

N_MODELS = 20
COLUMNS = (
    "task_name",
    "task_id",
    "task_description",
    "task_description_embedding",
    "query",
    "query_embedding",
    "ground_truth",
    "metric",
    "llm",
    "input_price",
    "output_price",
    "input_tokens_num",
    "output_tokens_num",
    "performance",
    "cost",
    "response",
    "llm_description",
    "llm_judge",
)


def table(n_queries: int, seed: int = 0) -> Iterator[dict[str, str]]:
    draw = random.Random(seed)
    words = ["".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=6)) for _ in range(5000)]
    embedding = "tensor([[" + ", ".join(f"{draw.gauss(0, 1):.4f}" for _ in range(768)) + "]])"
    for number in range(n_queries):
        text = f"Question {number}: {' '.join(draw.choices(words, k=40))}?"
        right = draw.choice("ABCD")
        for model in range(N_MODELS):
            for suffix, cue in (("", ""), ("_think", "\nLet's think step by step.")):
                yield {
                    "task_name": f"task_{number % 14}",
                    "task_description": "A fixed sentence about the task.",
                    "query": text + cue,
                    "query_embedding": embedding if model == 0 and not suffix else "",
                    "ground_truth": right,
                    "metric": "em_mc",
                    "llm": f"model-{model}{suffix}",
                    "input_price": "0.2",
                    "output_price": "0.2",
                    "input_tokens_num": str(draw.randrange(50, 400)),
                    "output_tokens_num": str(draw.randrange(5, 400)),
                    "performance": draw.choice(("0.0", "1.0", "{'pass@1': 1.0}")),
                    "cost": f"{draw.uniform(1, 300):.1f}",
                    "response": " ".join(draw.choices(words, k=115)),
                    "llm_description": "A fixed sentence about the model.",
                    "llm_judge": f"{draw.random():.1f}",
                }


def make(path: Path, n_queries: int) -> None:
    if path.suffix == ".parquet":
        write_parquet(path, dict.fromkeys(COLUMNS, "string"), table(n_queries))
        return
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(table(n_queries))


def measure(path: Path, database: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    start, used = time.perf_counter(), time.process_time()
    with RoutingLog(database) as log:
        summary = import_files(path, log)
    seconds = time.perf_counter() - start
    used = time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{path.suffix[1:]:8} {path.stat().st_size / 2**20:6.0f} MiB  {summary.rows:8,} rows  "
        f"{seconds:6.1f} s ({used:.1f} s of CPU)  {summary.rows / seconds:8,.0f} rows/s  "
        f"peak {peak:5.0f} MiB (before: {before:.0f})  refused {summary.refused}"
    )


def main() -> None:
    n_queries = int(sys.argv[1]) if len(sys.argv) > 1 else 6400
    fresh = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        for ending in ("csv", "parquet"):
            path = Path(folder) / f"FusionBench_train.{ending}"
            maker = fresh.Process(target=make, args=(path, n_queries))
            maker.start()
            maker.join()
            worker = fresh.Process(target=measure, args=(path, Path(folder) / f"{ending}.db"))
            worker.start()
            worker.join()
            path.unlink()


if __name__ == "__main__":
    main()
