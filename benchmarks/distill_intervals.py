"""How often a comparison of base and student holds the truth, and how often it is wrong.

SIMULATED: scores of base and student on the same queries, correlated by how hard these are, in
several tasks, with near-duplicates that share their hardness. Both are right or wrong; or the base
has graded scores and the student is wholly right or wrong, so that differences are skewed.
Figures are shares of the comparisons:

* `held`: whose interval over all queries holds the true difference; 0.95 is meant.
* `held a task`: likewise, of the intervals of single tasks.
* `false`: that call any row helped or hurt where none differs; 0.05 at most is meant.
* `found`: of the tasks that truly differ, those that are called so, the right way round.
* `wrong way`: comparisons that call a row the wrong way round.

Run `python -m benchmarks.distill_intervals [comparisons]`.
"""

import sys
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fusion_agents.distill.comparing.comparing import Pairs, contrasts
from fusion_agents.distill.comparing.comparison import Contrast
from fusion_agents.distill.comparing.given import Given, Replies
from fusion_agents.types import Arm, LogEntry, Query

N_COMPARISONS = 400
N_BOOTSTRAP = 1_000
Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """One kind of comparison."""

    name: str
    sizes: tuple[int, ...]
    """Independent queries of each task."""
    base: float
    """Share of right answers; of graded scores, about their mean."""
    gains: tuple[float, ...]
    """True differences of each task."""
    repeats: int = 1
    """Near-duplicates of each query."""
    graded: bool = False


CASES = (
    Case("alike, 1 task", (60,), 0.5, (0.0,)),
    Case("alike, 6 small tasks", (15,) * 6, 0.5, (0.0,) * 6),
    Case("alike, 6 tasks", (60,) * 6, 0.5, (0.0,) * 6),
    Case("alike, 6 tasks, easy", (60,) * 6, 0.93, (0.0,) * 6),
    Case("alike, sizes differ", (400, 60, 30, 15, 12), 0.6, (0.0,) * 5),
    Case("alike, repeated 4 times", (30,) * 6, 0.5, (0.0,) * 6, repeats=4),
    Case("alike, graded", (40,) * 6, 0.4, (0.0,) * 6, graded=True),
    Case("alike, graded, skewed", (40,) * 6, 0.2, (0.0,) * 6, graded=True),
    Case("two of six differ", (80,) * 6, 0.5, (0.3, -0.3, 0.0, 0.0, 0.0, 0.0)),
    Case("all a little better", (80,) * 6, 0.5, (0.1,) * 6),
    Case("graded, two differ", (80,) * 6, 0.4, (0.2, -0.15, 0.0, 0.0, 0.0, 0.0), graded=True),
)


def main() -> None:
    """Print a line for each case."""
    n = int(sys.argv[1]) if len(sys.argv) > 1 else N_COMPARISONS
    print(f"{'':26}  held  held a task  false  found  wrong way   ({n} comparisons each)")
    for case in CASES:
        figures = np.array([_compare(case, seed) for seed in range(n)])
        held, task, false, found, wrong = np.nanmean(figures, axis=0).tolist()
        nobody = all(gain == 0 for gain in case.gains)
        shown = f"{false:5.3f}      -" if nobody else f"    -  {found:5.3f}"
        print(f"{case.name:26} {held:5.3f}  {task:11.3f}  {shown}  {wrong:9.3f}")


def _compare(case: Case, seed: int) -> tuple[float, float, float, float, float]:
    rng = np.random.default_rng([seed, 11])
    drawn = [
        _scores(rng, size, case, gain) for size, gain in zip(case.sizes, case.gains, strict=True)
    ]
    rows = contrasts(_pairs(case, drawn), n_bootstrap=N_BOOTSTRAP, seed=seed)
    tasks = [row for row in rows if row.over == "task"]
    truth = dict(zip((row.task for row in tasks), case.gains, strict=True))
    overall = float(np.average(case.gains, weights=case.sizes))
    differing = [row for row in tasks if truth[row.task]]
    called = [row.finding in ("helped", "hurt") for row in rows]
    return (
        _holds(rows[-1], overall),
        float(np.mean([_holds(row, truth[row.task]) for row in tasks])),
        float(any(called)),
        float(np.mean([_is_right(row, truth[row.task]) for row in differing]))
        if differing
        else 0.0,
        float(any(_is_wrong(row, truth.get(row.task, overall)) for row in rows)),
    )


def _scores(rng: np.random.Generator, n: int, case: Case, gain: float) -> tuple[Vector, Vector]:
    """Of base and student on independent queries; both see the same hardness."""
    if case.graded:
        return _graded(rng, n, case.base, gain)
    hard = rng.random(n)
    chances = [np.clip(level + 0.9 * (0.5 - hard) * 2 * min(level, 1 - level), 0, 1) for level in (
        case.base, case.base + gain
    )]  # fmt: skip
    base, student = ((rng.random(n) < chance).astype(float) for chance in chances)
    return base, student


def _graded(rng: np.random.Generator, n: int, level: float, gain: float) -> tuple[Vector, Vector]:
    """The base is always a little right; the student is wholly right or wholly wrong."""
    base = np.clip(rng.normal(level, 0.1, n), 0, 1)
    return base, (rng.random(n) < level + gain).astype(float)


def _pairs(case: Case, drawn: list[tuple[Vector, Vector]]) -> Pairs:
    queries: list[Query] = []
    base: dict[str, Given] = {}
    student: dict[str, Given] = {}
    for task, (before, after) in enumerate(drawn):
        for i, scores in enumerate(zip(before, after, strict=True)):
            for again in range(case.repeats):
                query = Query(id=f"{task}-{i}-{again}", text=_text(task, i, again), task=f"t{task}")
                queries.append(query)
                for side, score in zip((base, student), scores, strict=True):
                    entry = LogEntry(key=query.id, query=query, arm=Arm(model="m"), response="-")
                    side[query.id] = Given(entry, float(score), None, no_answer=False)
    return Pairs(queries, Replies(base, {}), Replies(student, {}))


def _text(task: int, i: int, again: int) -> str:
    """Words that no other query has; its near-duplicates differ in a mark."""
    words = " ".join(f"w{(task * 7919 + i * 31 + k * k * 17) % 99991}x{i}y{task}" for k in range(6))
    return f"{words}{'!' * again}"


def _holds(row: Contrast, truth: float) -> float:
    if row.low is None or row.high is None:
        return np.nan
    return float(row.low <= truth <= row.high)


def _is_right(row: Contrast, truth: float) -> bool:
    return row.finding == ("helped" if truth > 0 else "hurt")


def _is_wrong(row: Contrast, truth: float) -> bool:
    return (row.finding == "helped" and truth < 0) or (row.finding == "hurt" and truth > 0)


if __name__ == "__main__":
    main()
