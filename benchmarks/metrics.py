"""How far the metrics agree with the scores of published logs, per task; and how fast they are.

`python -m benchmarks.metrics [--data ../shared/data] [--samples 0]` prints a row per log and task,
the commonest kinds of disagreement, and with `--samples n` so many disagreements of each kind.
"""

import argparse
import gzip
import json
import random
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from fusion_agents.metrics import Scored, make_metric
from fusion_agents.types import Query

MGSM = ("bn", "de", "es", "fr", "ja", "ru", "sw", "te", "th", "zh")
METRICS = {
    "zeroeval": {"gsm8k": "number", "math_l5": "math", "cruxeval_o": "literal"},
    "mmlupro_small8": {"*": "multiple-choice"},
    "routellm_pair": {"gsm8k": "number"},
    "routerbench3": {"arc_challenge": "multiple-choice", "winogrande": "multiple-choice"},
    "metaprompting_gpt4": {
        **{f"mgsm_{language}": "number" for language in MGSM},
        "multistep_arithmetic_two": "number",
        "geometric_shapes": "multiple-choice",
        "word_sorting": "exact-match",
    },
    "routeprofile12": {
        **dict.fromkeys(
            ("arc_challenge", "commonsense_qa", "logicgrid", "mmlu", "openbook_qa"),
            "multiple-choice",
        ),
        "gsm8k": "number",
        "mgsm": "number",
        "natural_qa": "contains",
        "trivia_qa": "contains",
        "commongen": "coverage",
    },
}
"""The metric that fits a log's task; tasks that are not named are left out."""


class Row(NamedTuple):
    """One response, scored twice."""

    task: str
    metric: str
    given: float
    scored: Scored
    seconds: float
    end: str


def score_log(path: Path, metrics: dict[str, str]) -> Iterator[Row]:
    """Score every response of a log whose task has a metric and whose query has a truth."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            name = metrics.get(row["task"], metrics.get("*"))
            if name is None or row["response"] is None or row["ground_truth"] is None:
                continue
            query = Query(text=row["query"], ground_truth=row["ground_truth"])
            metric = make_metric(name)
            start = time.perf_counter()
            scored = metric.score(row["response"], query)
            taken = time.perf_counter() - start
            yield Row(row["task"], name, row["score"], scored, taken, row["response"][-200:])


def agrees(row: Row) -> bool:
    """Whether both scores are the same."""
    return row.scored.score is not None and abs(row.scored.score - row.given) < 1e-6


def report(log: str, rows: list[Row], samples: int) -> None:
    """Print the agreement of each task, and what is behind the rest."""
    tasks: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        tasks[row.task, row.metric].append(row)
    tasks["all", ""] = rows
    for (task, metric), found in tasks.items():
        share = sum(map(agrees, found)) / len(found)
        micros = 1e6 * sum(row.seconds for row in found) / len(found)
        print(f"{log:20} {task:26} {metric:16} {len(found):7} {share:8.2%} {micros:8.0f} us")
    kinds: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if not agrees(row):
            said = row.scored.reason or f"scored {row.scored.score:.2g}"
            kinds[f"{row.metric}: given {row.given:.2g}, here: {said[:40]}"].append(row)
    for kind, count in Counter({kind: len(r) for kind, r in kinds.items()}).most_common(8):
        print(f"{'':20} {count:7} x {kind}")
        for row in random.Random(0).sample(kinds[kind], min(samples, count)):
            print(f"{'':30} {row.scored.answer!r} | ...{row.end!r}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--samples", type=int, default=0)
    options = parser.parse_args()
    print(f"{'log':20} {'task':26} {'metric':16} {'rows':>7} {'agree':>8} {'each':>11}")
    for log, metrics in METRICS.items():
        path = options.data / f"{log}.jsonl.gz"
        if path.exists():
            report(log, list(score_log(path, metrics)), options.samples)


if __name__ == "__main__":
    main()
