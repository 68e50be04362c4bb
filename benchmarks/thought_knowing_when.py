"""Whether the default router learns when a way of prompting pays.

Two worlds. The first is a public log of one model under seven prompting strategies
(`metaprompting_gpt4` in `../shared/data`, or `--data`; not part of the project): out of sample,
over repeated cross-validation, routing is compared with the strategy that was best in training.
Near-duplicate queries are never on both sides, and neither are queries with the same three or
more numbers: the log has translations of the same problems. Each query's difference is averaged
over the repetitions, and the interval comes from resampling these groups.

The second is SIMULATED: thought templates help one model in three families of questions and hurt
it in two. Shown is how often `thought` is chosen for held-out questions of each, after both ways
were logged for some queries, and after only one of them, drawn at random, was logged for each.
"""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fusion_agents.evaluation.bootstrap import interval, resampled_sums
from fusion_agents.outcomes import Outcomes
from fusion_agents.routers import make_router
from fusion_agents.simulation.log import simulate_log, to_query
from fusion_agents.simulation.models import HELPED, HURT, THOUGHT_ARMS
from fusion_agents.simulation.questions import generate_questions
from fusion_agents.stores.opening import open_log
from fusion_agents.types import LogEntry


def folds(groups: NDArray[np.int64], n_folds: int, seed: int) -> NDArray[np.int64]:
    """Fold of each query; near-duplicates share one."""
    names, which = np.unique(groups, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(names))
    return (order % n_folds)[which]


def problems(outcomes: Outcomes) -> NDArray[np.int64]:
    """Group of each query: near-duplicates, and texts with the same numbers, share one."""
    parent = {int(group): int(group) for group in outcomes.groups}

    def root(group: int) -> int:
        while parent[group] != group:
            group = parent[group]
        return group

    first: dict[tuple[int, ...], int] = {}
    for query, group in zip(outcomes.queries, outcomes.groups.tolist(), strict=True):
        plain = re.sub(r"(?<=\d)[,.\s](?=\d{3}(?!\d))", "", query.text)
        numbers = tuple(sorted(int(number) for number in re.findall(r"\d+", plain)))
        if len(numbers) >= 3:
            parent[root(group)] = root(first.setdefault(numbers, group))
    return np.array([root(group) for group in outcomes.groups.tolist()])


def gains(
    outcomes: Outcomes, groups: NDArray[np.int64], router: str, n_folds: int, seed: int
) -> NDArray[np.float64]:
    """Performance of the routed arm less that of the best arm in training, (n_queries,)."""
    gain = np.full(outcomes.n_queries, np.nan)
    fold = folds(groups, n_folds, seed)
    for held in range(n_folds):
        train, test = outcomes.take(fold != held), outcomes.take(fold == held)
        best = int(np.nanmean(train.performance, axis=0).argmax())
        fitted = make_router(router, seed=seed).fit(train)
        decided = [outcomes.arms.index(d.arm) for d in fitted.route(test.queries)]
        rows = np.arange(test.n_queries)
        gain[fold == held] = test.performance[rows, decided] - test.performance[:, best]
    return gain


def real(folder: Path, router: str, n_folds: int, repeats: int) -> None:
    with open_log(folder / "metaprompting_gpt4.jsonl.gz") as log:
        outcomes = log.outcomes()
    print(f"metaprompting_gpt4: {outcomes.n_queries} queries x {outcomes.n_arms} strategies")
    groups = problems(outcomes)
    print(f"  in {len(np.unique(groups))} groups of one problem each")
    each = []
    for seed in range(repeats):
        each.append(gains(outcomes, groups, router, n_folds, seed))
        report(f"  after {seed + 1} x {n_folds} folds", np.mean(each, axis=0), groups)


def report(what: str, gain: NDArray[np.float64], groups: NDArray[np.int64]) -> None:
    columns = np.stack([gain, np.ones(len(gain))], axis=1)
    sums = resampled_sums(columns, groups, n_bootstrap=10_000, seed=0)
    low, high = interval(sums[:, 0] / sums[:, 1])
    print(
        f"{what}: {100 * gain.mean():+.2f} points [{100 * low:+.2f}, {100 * high:+.2f}] "
        "over the strategy that was best in training",
        flush=True,
    )


def one_each(entries: Sequence[LogEntry], seed: int) -> list[LogEntry]:
    """Of each query, the entry of one arm that was drawn at random."""
    rng = np.random.default_rng(seed)
    by_query: dict[str, list[LogEntry]] = {}
    for entry in entries:
        by_query.setdefault(entry.query.id, []).append(entry)
    return [found[int(rng.integers(len(found)))] for found in by_query.values()]


def uses(entries: Sequence[LogEntry], router: str, n_logged: int, seed: int) -> dict[str, float]:
    """Share of new questions of each family for which `thought` is chosen."""
    fitted = make_router(router, seed=seed).fit(Outcomes.from_entries(entries))
    new = generate_questions(n_logged + 1_200, seed)[n_logged:]
    chosen = fitted.route([to_query(question) for question in new])
    found: dict[str, list[bool]] = {}
    for question, route in zip(new, chosen, strict=True):
        found.setdefault(question.family, []).append(route.arm.strategy == "thought")
    return {family: float(np.mean(used)) for family, used in sorted(found.items())}


def simulated(router: str, n_logged: int, seed: int) -> None:
    entries = list(simulate_log(n_logged, seed, THOUGHT_ARMS))
    for what, logged in (("both ways", entries), ("one way", one_each(entries, seed))):
        share = uses(logged, router, n_logged, seed)
        helped = np.mean([share[family] for family in HELPED])
        hurt = np.mean([share[family] for family in HURT])
        families = ", ".join(f"{family} {100 * used:.0f}" for family, used in share.items())
        print(
            f"simulated, seed {seed}, {n_logged} queries logged {what}: `thought` for "
            f"{100 * helped:.1f} % of the helped and {100 * hurt:.1f} % of the hurt ({families})",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--router", default="auto")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=4)
    parser.add_argument("--logged", type=int, default=1_000)
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    for seed in range(options.seeds):
        simulated(options.router, options.logged, seed)
    if (options.data / "metaprompting_gpt4.jsonl.gz").exists():
        real(options.data, options.router, options.folds, options.repeats)
    else:
        print(f"skipped: there is no metaprompting_gpt4.jsonl.gz in {options.data}")


if __name__ == "__main__":
    main()
