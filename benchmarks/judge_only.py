"""What a judge's scores alone teach: routers fitted and tested on them, by cross-validation.

`python -m benchmarks.judge_only [--data ../shared/data] [--repeats 4]` prints, for the log of open
questions with a judge's scores and for the same log without its best arms, the mean judge score
of a random arm, of the best single arm of the training part, of the oracle, and each router's
difference from the best single arm with a 95 % interval (bootstrap over queries).
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from fusion_agents.evaluation.bootstrap import interval, resampled_sums
from fusion_agents.outcomes import Outcomes
from fusion_agents.routers import make_router
from fusion_agents.stores.opening import open_log

LEFT_OUT = ((), ("gpt-4-turbo",), ("gpt-4-turbo", "gpt-4-0314"))
ROUTERS = ("auto", "knn", "ridge")
FOLDS = 5


def differences(outcomes: Outcomes, name: str, repeats: int) -> tuple[np.ndarray, float]:
    """Score of the routed arm less that of the best training arm, per query, and the latter."""
    total, count = np.zeros(outcomes.n_queries), np.zeros(outcomes.n_queries)
    best: list[float] = []
    for seed in range(repeats):
        fold = outcomes.folds(FOLDS, seed=seed)
        for number in range(FOLDS):
            train, test = outcomes.take(fold != number), outcomes.take(fold == number)
            router = make_router(name, seed=seed).fit(train)
            column = np.array([test.arms.index(arm) for arm in router.fitted.arm_nouns])
            routed = column[router.decide(test.queries, "judge").choice]
            single = int(np.nanargmax(np.nanmean(train.judge, axis=0)))
            rows = np.arange(test.n_queries)
            difference = test.judge[rows, routed] - test.judge[:, single]
            known = ~np.isnan(difference)
            total[np.flatnonzero(fold == number)[known]] += difference[known]
            count[np.flatnonzero(fold == number)[known]] += 1
            best += test.judge[:, single][~np.isnan(test.judge[:, single])].tolist()
    return total[count > 0] / count[count > 0], float(np.mean(best))


def figures(path: Path, repeats: int) -> Iterator[dict[str, object]]:
    """One record for each set of arms and router."""
    with open_log(path, read_only=True) as log:
        whole = log.outcomes()
    for names in LEFT_OUT:
        outcomes = whole.without_arms(names) if names else whole
        for name in ROUTERS:
            found, best = differences(outcomes, name, repeats)
            columns = np.column_stack([found, np.ones(len(found))])
            sums = resampled_sums(columns, np.arange(len(found)), n_bootstrap=2000, seed=0)
            low, high = interval(sums[:, 0] / sums[:, 1])
            yield {
                "without": ", ".join(names) or "-",
                "router": name,
                "random arm": round(100 * float(np.nanmean(outcomes.judge)), 2),
                "best single": round(100 * best, 2),
                "oracle": round(100 * float(np.nanmax(outcomes.judge, axis=1).mean()), 2),
                "difference": round(100 * float(found.mean()), 2),
                "interval": [round(100 * low, 2), round(100 * high, 2)],
                "queries": len(found),
            }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--repeats", type=int, default=4)
    options = parser.parse_args()
    for record in figures(options.data / "arena_bench.jsonl.gz", options.repeats):
        print(json.dumps(record), flush=True)


if __name__ == "__main__":
    main()
