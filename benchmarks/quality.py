"""What routing earns on real multi-LLM logs, over ten splits of each.

Reads the logs in `../shared/data` (or `--data`), which are not part of the project. Everything
is measured through `evaluate`, as a user would. Sections:

* gains: 70/30 by query, seeds 0 to 9, `auto` against the best single arm chosen on train
* unseen: each task left out of training in turn
* missing: nine in ten training cells removed at random
* cost: area under the performance-cost curve, money saved at equal performance
"""

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from fusion_agents.evaluation import Evaluation, evaluate
from fusion_agents.evaluation.report import Row
from fusion_agents.outcomes import Outcomes
from fusion_agents.stores.opening import open_log

LOGS: dict[str, tuple[str, tuple[str, ...], str]] = {
    "llmrouter14": ("llmrouter14", (), "performance-first"),
    "mmlupro_small8": ("mmlupro_small8", (), "performance-first"),
    "metaprompting_gpt4": ("metaprompting_gpt4", (), "performance-first"),
    "routerbench3 without gpt-4": ("routerbench3", ("gpt-4-1106-preview",), "performance-first"),
    "zeroeval": ("zeroeval", (), "performance-first"),
    "routerbench3": ("routerbench3", (), "performance-first"),
    "routellm_pair": ("routellm_pair", (), "performance-first"),
    "arena_bench (judge)": ("arena_bench", (), "judge"),
}
"""Name in the report: file, arms left out, objective."""


def read(folder: Path, name: str) -> Outcomes:
    with open_log(folder / f"{name}.jsonl.gz") as log:
        return log.outcomes()


def row_of(evaluation: Evaluation, router: str) -> Row:
    return next(row for row in evaluation.rows if row.router == router)


def percent(values: Sequence[float | None]) -> float:
    return 100 * float(np.mean([value for value in values if value is not None]))


def gains(folder: Path, seeds: range, only: str | None) -> None:
    print(
        "log: best | auto - best (seeds with interval above 0) | task-best - best | oracle - best"
    )
    for label, (name, excluded, objective) in LOGS.items():
        if only not in (None, name):
            continue
        log = read(folder, name)
        start = time.perf_counter()
        runs = [
            evaluate(
                log,
                ("auto", "task-best"),
                objective,
                seed=seed,
                exclude_arms=excluded,
                n_bootstrap=1000,
                curve=False,
            )
            for seed in seeds
        ]
        auto = [row_of(run, "auto") for run in runs]
        best = percent([row_of(run, "best").utility for run in runs])
        above = sum((row.vs_best.low or 0) > 0 for row in auto)
        below = sum((row.vs_best.high or 0) < 0 for row in auto)
        delta = [row.vs_best.delta or 0.0 for row in auto]
        others = {
            router: percent([row_of(run, router).vs_best.delta for run in runs])
            for router in ("task-best", "oracle")
        }
        error = [row.calibration.error for row in auto if row.calibration]
        seconds = (time.perf_counter() - start) / len(runs)
        print(
            f"{label}: {best:.2f} | {percent(delta):+.2f} ({above} above, {below} below of "
            f"{len(runs)}; worst {100 * min(delta):+.2f}) | {others['task-best']:+.2f} | "
            f"{others['oracle']:+.2f} | calibration error {np.mean(error):.3f} "
            f"(worst {max(error):.3f}) | n_test {runs[0].n_test} | {seconds:.0f} s a split"
        )
        print(f"   verdict of seed 0: {runs[0].verdict.text}", flush=True)
        if name == "llmrouter14":
            per_task(auto)


def per_task(rows: Sequence[Row]) -> None:
    print("   task: mean difference to the best single arm; seeds above, level, below (95 %)")
    for task in sorted(rows[0].per_task):
        results = [row.per_task[task] for row in rows if task in row.per_task]
        above = sum((result.low or 0) > 0 for result in results)
        below = sum((result.high or 0) < 0 for result in results)
        mean = percent([result.delta for result in results])
        print(f"   {task:16s} {mean:+6.2f}   {above} / {len(results) - above - below} / {below}")


def unseen(folder: Path, name: str) -> None:
    log = read(folder, name)
    tasks = sorted({query.task for query in log.queries if query.task})
    held = [np.array([query.task == task for query in log.queries]) for task in tasks]
    total, n, worst = 0.0, 0, (0.0, "")
    for task, inside in zip(tasks, held, strict=True):
        run = evaluate(log.take(~inside), ("auto",), test_log=log.take(inside), n_bootstrap=200)
        delta = row_of(run, "auto").vs_best.delta or 0.0
        base = row_of(run, "best").performance or 0.0
        worst = min(worst, (delta, task))
        total, n = total + delta * run.n_test, n + run.n_test
        print(f"   {task:24s} n {run.n_test:4d}  best {100 * base:5.1f}  {100 * delta:+.2f}")
    print(
        f"{name}, each task unseen: {100 * total / n:+.2f}, worst {100 * worst[0]:+.2f} {worst[1]}"
    )


def guard_cost(folder: Path, name: str, seeds: range) -> None:
    log = read(folder, name)
    specs = ("auto", "auto:novelty=0")
    runs = [evaluate(log, specs, seed=seed, n_bootstrap=200, curve=False) for seed in seeds]
    with_guard, without = (
        percent([row_of(run, spec).vs_best.delta for run in runs]) for spec in specs
    )
    print(f"{name}, in distribution: {with_guard:+.2f} with the guard, {without:+.2f} without")


def all_unseen(folder: Path, seeds: range) -> None:
    for name in ("llmrouter14", "metaprompting_gpt4"):
        unseen(folder, name)
    guard_cost(folder, "llmrouter14", seeds)


def missing(folder: Path, seeds: range) -> None:
    log = read(folder, "llmrouter14")
    found = []
    for seed in seeds:
        train, test = log.split(0.3, seed)
        rng = np.random.default_rng(seed)
        keep = rng.random(train.performance.shape) < 0.1
        keep[np.arange(train.n_queries), rng.integers(train.n_arms, size=train.n_queries)] = True
        performance = np.where(keep, train.performance, np.nan)
        sparse = Outcomes(
            train.queries,
            train.arms,
            performance,
            train.judge,
            train.cost,
            train.latency,
            np.where(keep, train.propensity, np.nan),
            train.errors,
        )
        run = evaluate(sparse, ("auto",), test_log=test, n_bootstrap=200, curve=False)
        dense = np.nanargmax(np.nanmean(train.performance, axis=0))
        chosen = row_of(run, "auto").performance or 0.0
        found.append(chosen - float(test.performance[:, dense].mean()))
    print(
        f"llmrouter14, nine in ten training cells removed: {percent(found):+.2f} over the best "
        f"single arm of the complete log (per seed {[round(100 * x, 1) for x in found]})"
    )


def cost(folder: Path, seeds: range) -> None:
    log = read(folder, "routerbench3")
    runs = [evaluate(log, ("auto",), seed=seed, n_bootstrap=200) for seed in seeds]
    for router in ("auto", "single arms"):
        values = [run.areas.get(router) for run in runs]
        print(f"routerbench3, area, {router}: {percent(values) / 100:.4f}")
    for tolerance in (0.0, 0.003, 0.005, 0.01):
        chosen = [s for run in runs for s in run.savings if s.tolerance == tolerance]
        print(
            f"routerbench3, tolerance {100 * tolerance:.1f} points, weight chosen on "
            f"{chosen[0].chosen_on}: saved {percent([s.saved.delta for s in chosen]):.1f} %, "
            f"performance {percent([s.vs_best.delta for s in chosen]):+.2f}"
        )
    saved = []
    for run in runs:
        best = row_of(run, "best")
        near = [p for p in run.curve if p.performance >= (best.performance or 0) - 0.003]
        saved.append(1 - min(p.cost for p in near) / (best.cost or 1) if near else 0.0)
    print(f"routerbench3, within 0.3 points on the test curve (hindsight): {percent(saved):.1f} %")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--log", help="only this log, in the section gains")
    parser.add_argument("sections", nargs="*", default=["gains", "unseen", "missing", "cost"])
    options = parser.parse_args()
    if not options.data.is_dir():
        print(f"skipped: no logs in {options.data}")
        return
    seeds = range(options.seeds)
    sections: dict[str, Callable[[], None]] = {
        "gains": lambda: gains(options.data, seeds, options.log),
        "unseen": lambda: all_unseen(options.data, seeds),
        "missing": lambda: missing(options.data, seeds),
        "cost": lambda: cost(options.data, seeds),
    }
    for section in options.sections:
        sections[section]()


if __name__ == "__main__":
    main()
