"""A router that goes on learning from its own answers, against what could have been known.

Reads `llmrouter14` in `../shared/data` (or `--data`). The log starts with 300 queries that every
arm answered. Then queries come one by one in a random order: the router chooses one arm, whose
answer is scored and logged with its propensity. Every 250 queries a challenger is fitted and must
pass the gate. Beside it run, on the same order:

* `no exploration`: the same with every answer by the router's first choice
* `no gate`: the loop, but every challenger takes over
* `no refresh`: the router of the first 300 queries, for ever
* `full matrix`: a router fitted on every arm's answers to the same past queries (last third only)

Printed is the mean over orders of what each earns more than the best single arm known in
hindsight. Results are added to a file order by order, so a run that was stopped goes on. The
lexical encoder is fitted once on the texts of 1,500 queries drawn at random.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fusion_agents.encoders.lexical import LexicalEncoder
from fusion_agents.evaluation.chart import WIDTH, Axis, grid
from fusion_agents.evaluation.markup import Markup, element, join
from fusion_agents.objective import Objective
from fusion_agents.outcomes import FloatMatrix, Outcomes
from fusion_agents.refreshing.comparison import columns_of, compare
from fusion_agents.refreshing.gate import Gate
from fusion_agents.routers.auto import AutoRouter
from fusion_agents.routers.base import Router
from fusion_agents.routers.exploration import Exploration
from fusion_agents.routers.interfaces import Encoding
from fusion_agents.stores.opening import open_log

START, EVERY = 300, 250
OBJECTIVE = Objective.parse("performance-first")
RATES = (0.25, 0.1, 0.02)
"""Exploration in each third of the stream: much while little is known."""


@dataclass
class World:
    """The whole log in one random order; only the stream decides what of it is seen."""

    log: Outcomes
    encoding: Encoding
    order: int

    @cached_property
    def best(self) -> int:
        """The best single arm in hindsight, over the stream."""
        return int(self.log.performance[START:].mean(axis=0).argmax())

    def past(self, n: int, performance: FloatMatrix, propensity: FloatMatrix) -> Outcomes:
        seen = replace(self.log, performance=performance, propensity=propensity)
        seen.__dict__["groups"] = self.log.groups  # found once for all orders
        return seen.take(np.arange(n))

    def fit(self, past: Outcomes) -> Router:
        vectors = self.encoding.vectors[: past.n_queries]
        return AutoRouter().fit(past, Encoding(self.encoding.encoder, vectors))


@dataclass
class Stream:
    """What one way of running the router earns, block by block."""

    world: World
    rates: tuple[float, ...] | None
    refreshes: bool = True
    gate: Gate | None = field(default_factory=Gate)

    def __post_init__(self) -> None:
        log = self.world.log
        self.performance = np.full(log.performance.shape, np.nan)
        self.propensity = np.full(log.performance.shape, np.nan)
        self.performance[:START] = log.performance[:START]
        self.propensity[:START] = 1.0
        self.promoted = self.rejected = 0
        self.router: Router | None = None

    def run(self) -> list[float]:
        return [self._block(start, end) for start, end in blocks(self.world.log.n_queries)]

    def _block(self, start: int, end: int) -> float:
        router = self._refreshed(start)
        log = self.world.log
        queries, vectors = log.queries[start:end], self.world.encoding.vectors[start:end]
        decisions = router.decide(queries, OBJECTIVE, vectors)
        if self.rates is not None:
            third = min(2, 3 * (start - START) // (log.n_queries - START))
            exploration = Exploration(
                rate=self.rates[third], method="thompson", seed=self.world.order
            )
            decisions = exploration.explore(decisions, [q.id for q in queries], OBJECTIVE)
        rows = np.arange(start, end)
        chosen = columns_of(log.arms, router.fitted.arm_nouns)[decisions.choice]
        self.performance[rows, chosen] = log.performance[rows, chosen]
        self.propensity[rows, chosen] = decisions.propensity
        return float(log.performance[rows, chosen].mean())

    def _refreshed(self, n: int) -> Router:
        if self.router is not None and not self.refreshes:
            return self.router
        past = self.world.past(n, self.performance, self.propensity)
        challenger = self.world.fit(past)
        if self.router is None or self.gate is None or self._passes(self.router, challenger, past):
            self.router = challenger
        return self.router

    def _passes(self, champion: Router, challenger: Router, past: Outcomes) -> bool:
        vectors = self.world.encoding.vectors[: past.n_queries]
        comparison = compare(champion, challenger, past, OBJECTIVE, vectors=vectors)
        assert self.gate is not None
        promoted = self.gate.rule(comparison).promoted
        self.promoted += promoted
        self.rejected += not promoted
        return promoted


def blocks(n: int) -> Iterator[tuple[int, int]]:
    for start in range(START, n, EVERY):
        yield start, min(start + EVERY, n)


def full_matrix(world: World) -> list[float]:
    """Mean of each block of the last third by routers that saw every arm's past answers."""
    log = world.log
    third = START + 2 * (log.n_queries - START) / 3
    earned = []
    for start, end in blocks(log.n_queries):
        if start < third:
            earned.append(np.nan)
            continue
        router = world.fit(log.take(np.arange(start)))
        queries, vectors = log.queries[start:end], world.encoding.vectors[start:end]
        chosen = columns_of(log.arms, router.fitted.arm_nouns)[
            router.decide(queries, OBJECTIVE, vectors).choice
        ]
        earned.append(float(log.performance[np.arange(start, end), chosen].mean()))
    return earned


WAYS: dict[str, Callable[[World], list[float]]] = {
    "loop": lambda world: Stream(world, RATES).run(),
    "full matrix": full_matrix,
    "no gate": lambda world: Stream(world, RATES, gate=None).run(),
    "no refresh": lambda world: Stream(world, None, refreshes=False).run(),
    "no exploration": lambda world: Stream(world, None).run(),
}


def worlds(folder: Path, orders: range) -> Iterator[World]:
    with open_log(folder / "llmrouter14.jsonl.gz") as log:
        outcomes = log.outcomes()
    assert outcomes.groups is not None
    texts = [query.text for query in outcomes.queries]
    drawn = np.random.default_rng(0).permutation(len(texts))[:1500]
    encoder = LexicalEncoder(n_components=96).fit(sorted(texts[i] for i in drawn))
    vectors = encoder.encode(texts)
    for order in orders:
        rows = np.random.default_rng(order).permutation(outcomes.n_queries)
        yield World(outcomes.take(rows), Encoding(encoder, vectors[rows]), order)


COLOURS = {
    "loop": "#1f77b4",
    "full matrix": "#555555",
    "no exploration": "#d97706",
    "no gate": "#15803d",
    "no refresh": "#b91c1c",
}


# -- results --------------------------------------------------------------------------------


def measure(folder: Path, orders: range, ways: list[str], results: Path) -> None:
    """Run what is not in the file yet, one line an order and way."""
    done = {(r["order"], r["way"]) for r in read(results)}
    for world in worlds(folder, orders):
        for way in ways:
            if (world.order, way) in done:
                continue
            start = time.process_time()
            earned = WAYS[way](world)
            best = world.log.performance[:, world.best]
            line = {
                "order": world.order,
                "way": way,
                "earned": earned,
                "best": [float(best[a:b].mean()) for a, b in blocks(world.log.n_queries)],
                "sizes": [b - a for a, b in blocks(world.log.n_queries)],
                "seconds": round(time.process_time() - start, 1),
            }
            with results.open("a") as file:
                file.write(json.dumps(line) + "\n")


def read(results: Path) -> list[dict[str, object]]:
    if not results.exists():
        return []
    return [json.loads(line) for line in results.read_text().splitlines()]


def last_third(line: dict[str, object]) -> float:
    """Gain over the best single arm, in points."""
    gain = np.asarray(line["earned"], dtype=float) - np.asarray(line["best"], dtype=float)
    sizes = np.asarray(line["sizes"], dtype=float)
    ends = np.cumsum(sizes)
    late = ends - sizes >= 2 * ends[-1] / 3
    return 100 * float((gain * sizes)[late].sum() / sizes[late].sum())


def report(results: Path) -> None:
    lines = read(results)
    gains = {way: {r["order"]: last_third(r) for r in lines if r["way"] == way} for way in WAYS}
    print("gain over the best single arm in the last third, points: mean [95 % interval], orders")
    for way, found in gains.items():
        if found:
            print(f"  {way:16s} {interval(np.array(list(found.values())))} {len(found)}")
    both = sorted(set(gains["loop"]) & set(gains["full matrix"]), key=str)
    if both:
        loop, full = (np.array([gains[way][o] for o in both]) for way in ("loop", "full matrix"))
        rng = np.random.default_rng(0)
        draws = rng.integers(0, len(both), size=(10_000, len(both)))
        shares = loop[draws].mean(axis=1) / full[draws].mean(axis=1)
        low, high = np.quantile(shares, (0.025, 0.975))
        print(
            f"  share of the full matrix's gain: {loop.mean() / full.mean():.0%} "
            f"[{low:.0%}, {high:.0%}]; above the best single arm in {(loop > 0).sum()} of "
            f"{len(both)} orders"
        )


def picture(results: Path) -> str:
    """Gain over the best single arm along the stream, smoothed over three blocks, with bands."""
    x, y = Axis(START, 3_900, 70, 740), Axis(-6, 8, 360, 50)
    parts = [
        element("rect", width=WIDTH, height=440, fill="#fff"),
        grid(x, y, x_label="queries so far", y_label="points over the best single arm"),
        element("line", x1=x.start, x2=x.end, y1=y(0), y2=y(0), stroke="#444"),
    ]
    drawn = [way for way in COLOURS if any(line["way"] == way for line in read(results))]
    for number, way in enumerate(drawn):
        at, mean, reach = curve([line for line in read(results) if line["way"] == way])
        colour = COLOURS[way]
        above = [f"{x(a):.1f},{y(v):.1f}" for a, v in zip(at, mean + reach, strict=True)]
        below = [f"{x(a):.1f},{y(v):.1f}" for a, v in zip(at, mean - reach, strict=True)]
        middle = [f"{x(a):.1f},{y(v):.1f}" for a, v in zip(at, mean, strict=True)]
        band = " ".join([*above, *below[::-1]])
        parts.append(element("polygon", points=band, fill=colour, opacity=0.15))
        parts.append(
            element("polyline", points=" ".join(middle), fill="none", stroke=colour, stroke_width=2)
        )
        parts.append(element("text", way, x=90, y=80 + 18 * number, fill=colour))
    style = element("style", Markup("text{font:13px sans-serif}.grid{stroke:#e4e4e4}"))
    return str(
        element(
            "svg",
            join(style, *parts),
            xmlns="http://www.w3.org/2000/svg",
            viewBox=f"0 0 {WIDTH:g} 440",
        )
    )


def curve(lines: list[dict[str, object]]) -> tuple[NDArray[np.float64], ...]:
    """Position of each block's middle, mean gain in points and reach of its 95 % interval."""
    earned, best, sizes = (
        np.array([line[name] for line in lines], dtype=float)
        for name in ("earned", "best", "sizes")
    )
    gain = 100 * (earned - best)[:, :-1]  # the last block is a short one
    smooth = np.stack([gain[:, max(0, i - 1) : i + 2].mean(axis=1) for i in range(gain.shape[1])])
    at = START + np.cumsum(sizes[0][:-1]) - EVERY / 2
    known = ~np.isnan(smooth).any(axis=1)
    error = smooth[known].std(axis=1, ddof=min(1, len(lines) - 1)) / np.sqrt(len(lines))
    return at[known], smooth[known].mean(axis=1), 1.96 * error


def interval(values: NDArray[np.float64]) -> str:
    reach = 1.96 * values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return f"{values.mean():+.2f} [{values.mean() - reach:+.2f}, {values.mean() + reach:+.2f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--orders", type=int, default=1, help="0 to report only")
    parser.add_argument("--first", type=int, default=0, help="number of the first order")
    parser.add_argument("--ways", nargs="*", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--results", type=Path, default=Path("stream.jsonl"))
    parser.add_argument("--svg", type=Path, help="draw the curves to this file")
    options = parser.parse_args()
    if not options.data.is_dir():
        print(f"skipped: no logs in {options.data}")
        return
    orders = range(options.first, options.first + options.orders)
    if orders:
        measure(options.data, orders, options.ways, options.results)
    report(options.results)
    if options.svg is not None:
        options.svg.write_text(picture(options.results))


if __name__ == "__main__":
    main()
