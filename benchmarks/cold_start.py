"""What a new arm is worth to the default router when only a few of its answers are scored.

Reads the logs in `../shared/data` (or `--data`), which are not part of the project. Each arm in
turn is the new one: of its training scores all but `--answers`, drawn at random, are hidden.
Routing with it is compared, on held-out queries, with routing without it (by the same router,
which learns the other arms without it) and with a router that has all of its scores. Also shown:
how often the new arm's forecast lies within 1.645 standard errors of the one from all scores.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fusion_agents.encoders.base import Vectors
from fusion_agents.encoders.lexical import LexicalEncoder
from fusion_agents.objective import Objective
from fusion_agents.outcomes import Outcomes
from fusion_agents.routers import make_router
from fusion_agents.routers.base import Router
from fusion_agents.routers.interfaces import Encoding
from fusion_agents.stores.opening import open_log

LOGS = ("llmrouter14", "metaprompting_gpt4", "routerbench3", "mmlupro_small8")
PERFORMANCE = Objective.parse("performance-first")


class Data(NamedTuple):
    """A split log with its vectors, which all routers share."""

    train: Outcomes
    test: Outcomes
    encoding: Encoding
    vectors: Vectors


class Result(NamedTuple):
    """Differences to routing without the arm, in points, and how honest the forecast was."""

    full: float
    cold: float
    error: float
    chosen: float
    covered: float
    std: float


def prepare(folder: Path, name: str, seed: int) -> Data:
    with open_log(folder / f"{name}.jsonl.gz") as log:
        outcomes = log.outcomes()
    train, test = outcomes.split(0.3, seed)
    encoder = LexicalEncoder().fit(sorted(query.text for query in train.queries))
    logged, asked = (encoder.encode([q.text for q in part.queries]) for part in (train, test))
    return Data(train, test, Encoding(encoder, logged), asked)


def hidden(train: Outcomes, arm: int, n_answers: int, seed: int) -> Outcomes:
    """Keep so many scores of an arm, and hide the others with all that is known of them."""
    scored = np.flatnonzero(~np.isnan(train.performance[:, arm]))
    kept = np.random.default_rng([seed, arm]).permutation(scored)[:n_answers]
    gone = np.setdiff1d(np.arange(train.n_queries), kept)
    measures = {}
    for name in ("performance", "judge", "cost", "latency", "propensity"):
        measures[name] = getattr(train, name).copy()
        measures[name][gone, arm] = np.nan
    cold = replace(train, **measures)
    cold.__dict__["groups"] = train.groups
    return cold


def earned(router: Router, data: Data, arms: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Score of the chosen arm at each test query, and which arm of the log it was."""
    objective = PERFORMANCE.model_copy(update={"arms": tuple(arms)})
    decisions = router.decide(data.test.queries, objective, data.vectors)
    columns = np.array([data.test.arms.index(arm) for arm in decisions.forecast.arms])
    chosen = columns[decisions.choice]
    return data.test.performance[np.arange(len(chosen)), chosen], chosen


def measure(data: Data, full: Router, arm: int, n_answers: int, seed: int) -> Result:
    names = [str(a) for a in data.train.arms]
    cold = make_router("auto").fit(hidden(data.train, arm, n_answers, seed), data.encoding)
    without, _ = earned(cold, data, [name for name in names if name != names[arm]])
    with_it, chosen = earned(cold, data, names)
    with_all, _ = earned(full, data, names)
    of_few, of_all = (r.forecast(data.test.queries, data.vectors) for r in (cold, full))
    few = list(map(str, of_few.arms)).index(names[arm])
    every = list(map(str, of_all.arms)).index(names[arm])
    std = of_few.performance_std[:, few]
    away = np.abs(of_few.performance[:, few] - of_all.performance[:, every])
    gain = with_it - without
    return Result(
        full=100 * float(np.nanmean(with_all - without)),
        cold=100 * float(np.nanmean(gain)),
        error=100 * float(np.nanstd(gain) / np.sqrt(len(gain))),
        chosen=float((chosen == arm).mean()),
        covered=float((away <= 1.645 * std).mean()),
        std=float(std.mean()),
    )


def report(folder: Path, name: str, n_answers: int, seeds: range) -> None:
    rows = []
    start = time.perf_counter()
    for seed in seeds:
        data = prepare(folder, name, seed)
        full = make_router("auto").fit(data.train, data.encoding)
        for arm, noun in enumerate(data.train.arms):
            row = measure(data, full, arm, n_answers, seed)
            rows.append(row)
            print(
                f"   {noun!s:44.44s} all scores {row.full:+.2f}, {n_answers} scores "
                f"{row.cold:+.2f} (error {row.error:.2f}), chosen {row.chosen:.2f}, "
                f"covered {row.covered:.2f}",
                flush=True,
            )
    table = np.array(rows)
    full_sum, cold_sum = table[:, 0].sum() / len(seeds), table[:, 1].sum() / len(seeds)
    worse = int((table[:, 1] < -1.96 * np.maximum(table[:, 2], 1e-9)).sum())
    print(
        f"{name}: with all scores {full_sum:+.2f} points (sum over arms), with {n_answers} "
        f"{cold_sum:+.2f}; worst arm {table[:, 1].min():+.2f}; significantly worse than without: "
        f"{worse} of {len(rows)}; 90 % intervals cover {table[:, 4].mean():.2f}, mean standard "
        f"error {table[:, 5].mean():.3f}; {(time.perf_counter() - start) / len(rows):.0f} s an arm",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--answers", type=int, default=40)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("logs", nargs="*", default=list(LOGS))
    options = parser.parse_args()
    if not options.data.is_dir():
        print(f"skipped: no logs in {options.data}")
        return
    for name in options.logs:
        report(options.data, name, options.answers, range(options.seeds))


if __name__ == "__main__":
    main()
