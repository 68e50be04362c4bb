"""What a new arm is worth to the default router when only a few of its answers are scored.

Reads the logs in `../shared/data` (or `--data`), which are not part of the project. Each arm in
turn is the new one: of its training scores all but `--answers`, drawn at random, are hidden, as
often as `--draws` says (what is learned of the other arms is the same for each draw). Routing with
it is compared, on held-out queries, with routing without it (by the same router, which learns the
other arms without it) and with a router that has all of its scores. Also shown: how often the new
arm's forecast lies within 1.645 standard errors of the one from all scores.
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
from fusion_agents.routers.auto import AutoModel, AutoRouter
from fusion_agents.routers.base import Router
from fusion_agents.routers.cold_start import fit_cold_start
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
    """Mean over draws."""
    worst: float
    """Over draws."""
    harmed: float
    """Share of draws that lose more than two standard errors of the paired difference."""
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


def earned(router: Router, data: Data, arms: Sequence[str]) -> np.ndarray:
    """Score of the chosen arm at each test query."""
    objective = PERFORMANCE.model_copy(update={"arms": tuple(arms)})
    decisions = router.decide(data.test.queries, objective, data.vectors)
    columns = np.array([data.test.arms.index(arm) for arm in decisions.forecast.arms])
    chosen = columns[decisions.choice]
    return data.test.performance[np.arange(len(chosen)), chosen]


def redrawn(router: Router, train: Outcomes, encoding: Encoding, arm: str) -> AutoRouter:
    """The same router with the new arm's part learned from other answers of it."""
    again = AutoRouter(encoder=encoding.encoder)
    again.encoder_, fitted = router.encoder_, router.fitted
    model, out_of_fold = fitted.performance, router.out_of_fold(train)
    assert isinstance(model, AutoModel)
    assert out_of_fold is not None
    columns = [train.arms.index(noun) for noun in fitted.arm_nouns]
    scores = train.performance[:, columns]
    part = fit_cold_start(
        (out_of_fold.performance[:, model.scored], scores[:, model.scored]),
        scores[:, [fitted.arms.index(arm)]],
        encoding.vectors,
        train.folds(5),
    )
    again.fitted_ = replace(fitted, performance=replace(model, cold_start=part.model))
    return again


def measure(data: Data, full: Router, arm: int, n_answers: int, seeds: range) -> Result:
    names = [str(a) for a in data.train.arms]
    others = [name for name in names if name != names[arm]]
    draws = [hidden(data.train, arm, n_answers, seed) for seed in seeds]
    router = make_router("auto").fit(draws[0], data.encoding)
    without, with_all = earned(router, data, others), earned(full, data, names)
    known = full.forecast(data.test.queries, data.vectors).performance
    known = known[:, full.fitted.arms.index(names[arm])]
    gains, errors, covered, stds = [], [], [], []
    for draw in draws:
        cold = redrawn(router, draw, data.encoding, names[arm])
        gain = 100 * (earned(cold, data, names) - without)
        gains.append(np.nanmean(gain))
        errors.append(np.nanstd(gain) / np.sqrt(len(gain)))
        forecast = cold.forecast(data.test.queries, data.vectors)
        at = cold.fitted.arms.index(names[arm])
        std = forecast.performance_std[:, at]
        covered.append((np.abs(forecast.performance[:, at] - known) <= 1.645 * std).mean())
        stds.append(std.mean())
    harmed = np.array(gains) < -2 * np.array(errors) - 1e-9
    return Result(
        full=100 * float(np.nanmean(with_all - without)),
        cold=float(np.mean(gains)),
        worst=float(np.min(gains)),
        harmed=float(harmed.mean()),
        covered=float(np.mean(covered)),
        std=float(np.mean(stds)),
    )


def report(folder: Path, name: str, n_answers: int, seeds: range) -> None:
    start = time.perf_counter()
    data = prepare(folder, name, 0)
    full = make_router("auto").fit(data.train, data.encoding)
    rows = []
    for arm, noun in enumerate(data.train.arms):
        row = measure(data, full, arm, n_answers, seeds)
        rows.append(row)
        print(
            f"   {noun!s:44.44s} all scores {row.full:+.2f}, {n_answers} scores {row.cold:+.2f} "
            f"(worst draw {row.worst:+.2f}), covered {row.covered:.2f}",
            flush=True,
        )
    of = Result(*np.array(rows).T)  # type: ignore[arg-type]
    print(
        f"{name}: with all scores {np.sum(of.full):+.2f} points (sum over arms), with "
        f"{n_answers} {np.sum(of.cold):+.2f}; worst arm {np.min(of.cold):+.2f}, worst draw "
        f"{np.min(of.worst):+.2f}; draws significantly worse than without the arm: "
        f"{100 * np.mean(of.harmed):.0f} %; 90 % intervals cover {np.mean(of.covered):.2f}, mean "
        f"standard error {np.mean(of.std):.3f}; "
        f"{(time.perf_counter() - start) / len(rows):.0f} s an arm",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--answers", type=int, default=40)
    parser.add_argument("--draws", type=int, default=8)
    parser.add_argument("logs", nargs="*", default=list(LOGS))
    options = parser.parse_args()
    if not options.data.is_dir():
        print(f"skipped: no logs in {options.data}")
        return
    for name in options.logs:
        report(options.data, name, options.answers, range(options.draws))


if __name__ == "__main__":
    main()
