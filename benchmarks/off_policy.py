"""How often intervals from a log of one answer a query cover what a router truly earns.

Reads `llmrouter14` in `../shared/data` (or `--data`), which is not part of the project: every
arm's score is known for every query, so the truth is known too. Five target routers learn from
the complete outcomes of one half of the queries and choose for the other half; their true value
is the mean there. Each repetition draws queries of that half with replacement and lets a logging
policy draw one arm for each:

* random: each of the nine arms alike
* skewed: the choice of a `cluster` router, and with probability 0.2 any arm (propensity 0.022)
* rarely: the same with probability 0.1 (propensity 0.011)

The forecast for the doubly robust estimate learns from the other half, of which the same policy
logged one answer a query. A figure is a share of the repetitions, refused ones left out.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fusion_agents.encoders.base import Vectors
from fusion_agents.encoders.lexical import LexicalEncoder
from fusion_agents.evaluation import off_policy_value
from fusion_agents.outcomes import FloatMatrix, IntVector, Outcomes
from fusion_agents.routers.base import Router
from fusion_agents.routers.catalogue import make_router
from fusion_agents.routers.interfaces import Encoding
from fusion_agents.stores.opening import open_log

TARGETS = ("auto", "knn:k=50", "ridge", "task-best", "best")
POLICIES = {"random": 1.0, "skewed": 0.2, "rarely": 0.1}
_REPETITIONS_A_MODEL = 20


class Result(NamedTuple):
    """One interval of one repetition."""

    covers: bool
    width: float
    error: float
    ess: float


@dataclass(frozen=True, eq=False)
class World:
    """Two halves of a complete log, and what the targets choose in the second one."""

    train: Outcomes
    test: Outcomes
    encoding: Encoding
    vectors: Vectors
    choices: dict[str, IntVector]

    def truth(self, target: str) -> float:
        return float(
            self.test.performance[np.arange(self.test.n_queries), self.choices[target]].mean()
        )

    def forecast(self, router: Router, queries: Outcomes, vectors: Vectors) -> FloatMatrix:
        """Forecasts in the order of the outcomes' arms."""
        forecast = router.forecast(queries.queries, vectors if router.needs_vectors else None)
        return forecast.performance[:, [forecast.arms.index(arm) for arm in queries.arms]]


def read(folder: Path) -> World:
    with open_log(folder / "llmrouter14.jsonl.gz") as log:
        train, test = log.outcomes().split(0.5)
    encoder = LexicalEncoder().fit(sorted(query.text for query in train.queries))
    encoding = Encoding(encoder, encoder.encode([query.text for query in train.queries]))
    vectors = encoder.encode([query.text for query in test.queries])
    choices = {}
    for target in TARGETS:
        router = make_router(target).fit(train, encoding)
        decisions = router.decide(test.queries, vectors=vectors if router.needs_vectors else None)
        columns = np.array([test.arms.index(arm) for arm in decisions.forecast.arms])
        choices[target] = columns[decisions.choice]
    return World(train, test, encoding, vectors, choices)


def drawn(probability: FloatMatrix, rng: np.random.Generator) -> NDArray[np.bool_]:
    passed = rng.random((len(probability), 1)) > probability.cumsum(axis=1)
    arm = np.minimum(passed.sum(axis=1), probability.shape[1] - 1)
    return np.arange(probability.shape[1]) == arm[:, None]


def logged(outcomes: Outcomes, probability: FloatMatrix, rng: np.random.Generator) -> Outcomes:
    """One answer a query, with its propensity."""
    kept = drawn(probability, rng)
    values = {
        name: np.where(kept, getattr(outcomes, name), np.nan)
        for name in ("performance", "judge", "cost", "latency")
    }
    return replace(outcomes, propensity=np.where(kept, probability, np.nan), **values)


def repetitions(
    world: World, rate: float, n: int, n_queries: int
) -> Iterator[tuple[str, str, Result]]:
    base = make_router("cluster").fit(world.train, world.encoding)
    policies = []
    for part, vectors in ((world.train, world.encoding.vectors), (world.test, world.vectors)):
        greedy = world.forecast(base, part, vectors).argmax(axis=1)
        n_arms = part.n_arms
        policies.append(rate / n_arms + (1 - rate) * (np.arange(n_arms) == greedy[:, None]))
    model = np.empty(0)
    for repetition in range(n):
        rng = np.random.default_rng(repetition)
        if repetition % _REPETITIONS_A_MODEL == 0:
            history = logged(world.train, policies[0], rng)
            learned = make_router("ridge").fit(history, world.encoding)
            model = world.forecast(learned, world.test, world.vectors)
            model = np.where(np.isnan(model), np.nanmean(model), model)
        rows = rng.integers(0, world.test.n_queries, n_queries)
        log = logged(world.test.take(rows), policies[1][rows], rng)
        for target, choices in world.choices.items():
            truth = world.truth(target)
            for method, expected in (("DR", model[rows]), ("SNIPS", None)):
                estimate = off_policy_value(
                    log.performance, log.propensity, choices[rows],
                    model=expected, n_bootstrap=500, seed=repetition,
                )  # fmt: skip
                if estimate.refusal is None:
                    low, high = estimate.low, estimate.high
                    error = estimate.value - truth
                    yield (
                        target,
                        method,
                        Result(low <= truth <= high, high - low, error, estimate.ess),
                    )
            yield target, "IPS", inverse_propensity(log, choices[rows], truth)


def inverse_propensity(log: Outcomes, choice: IntVector, truth: float) -> Result:
    """The plain estimate, with its normal interval."""
    at = (np.arange(log.n_queries), choice)
    weighted = np.nan_to_num(log.performance[at] / log.propensity[at])
    half = 1.96 * weighted.std(ddof=1) / np.sqrt(len(weighted))
    error = float(weighted.mean()) - truth
    return Result(abs(error) <= half, 2 * float(half), error, np.nan)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    parser.add_argument("--repetitions", type=int, default=100)
    parser.add_argument("--queries", type=int, default=1900)
    options = parser.parse_args()
    if not (options.data / "llmrouter14.jsonl.gz").exists():
        print(f"skipped: no log in {options.data}")
        return
    world = read(options.data)
    print("policy, target (truth): method covers width bias ESS estimates, in points")
    for policy, rate in POLICIES.items():
        found = defaultdict(list)
        for target, method, result in repetitions(
            world, rate, options.repetitions, options.queries
        ):
            found[target, method].append(result)
        for target in TARGETS:
            cells = [f"{policy}, {target} ({100 * world.truth(target):.1f}):"]
            for method in ("DR", "SNIPS", "IPS"):
                covers, width, error, ess = np.array(found[target, method], dtype=float).T
                cells.append(
                    f"{method} {covers.mean():.0%} {100 * width.mean():.1f} "
                    f"{100 * error.mean():+.1f} {ess.mean():.0f} {len(covers)}"
                )
            print(" | ".join(cells), flush=True)


if __name__ == "__main__":
    main()
