"""Time and recall of searching thought templates, and whether tenants stay apart.

Beside the time on the clock stands that on the processor (`cpu`), which says more where others use
the machine, too.

Vectors are given, so that no encoder is timed: 384 dimensions, around as many topics as make a
hundred templates each, which is harder to search than questions of a few tasks.
"""

import argparse
import json
import tempfile
import time
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fusion_agents.encoders.base import Encoder, Vectors
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.stores.template_indexes.base import TemplateIndex
from fusion_agents.stores.template_indexes.chroma import ChromaIndex
from fusion_agents.stores.template_store import TemplateStore
from fusion_agents.types import ThoughtTemplate

DIMENSIONS = 384
LIMITS = {10_000: 15.0, 100_000: 40.0}
"""Milliseconds for the 99th percentile."""


class Topics(Encoder):
    """A text's vector is its topic's, and something of its own."""

    name = "topics"
    saveable = False

    def encode(self, texts: Sequence[str]) -> Vectors:
        rows = [_drawn(text.split(":")[0]) + 0.8 * _drawn(text) for text in texts]
        vectors = np.stack(rows)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    @property
    def identity(self) -> str:
        return "topics"


def _drawn(text: str) -> Vectors:
    rng = np.random.default_rng(zlib.crc32(text.encode()))
    return rng.standard_normal(DIMENSIONS, dtype=np.float32)


def templates(
    n: int, tenant: str = "default", topics: int | None = None
) -> Iterator[ThoughtTemplate]:
    topics = topics or max(n // 100, 1)
    for number in range(n):
        question = (
            f"topic {number % topics}: what is {number} plus {number + 1}? " + "Explain. " * 9
        )
        yield ThoughtTemplate(
            problem=f"{tenant}: add two numbers, as in case {number}.",
            reasoning="Write both numbers down. Add the digits from the right. Carry over tens.",
            answer_format="One whole number.",
            question=question,
            query_id=f"query-{number}",
            tenant=tenant,
        )


def queries(n: int, topics: int) -> Vectors:
    return Topics().encode(
        [f"topic {i * 7 % topics}: a new question, number {i}" for i in range(n)]
    )


class Searched(NamedTuple):
    """What came of each search."""

    clock: list[float]
    """Milliseconds."""
    cpu: list[float]
    """Milliseconds of the processor, of all threads."""
    similarities: list[list[float]]


def timed(store: TemplateStore, vectors: Vectors) -> Searched:
    searched = Searched([], [], [])
    for vector in vectors:
        started, worked = time.perf_counter(), time.process_time()
        hits = store.search(vector, 3, min_similarity=-1.0)
        searched.cpu.append(1e3 * (time.process_time() - worked))
        searched.clock.append(1e3 * (time.perf_counter() - started))
        searched.similarities.append([hit.similarity for hit in hits])
    return searched


def recall(found: list[list[float]], exact: list[list[float]]) -> float:
    """Share of the three nearest that were found; equally near ones may stand for each other."""
    pairs = zip(found, exact, strict=True)
    return float(np.mean([sum(s >= e[-1] - 1e-5 for s in f) / len(e) for f, e in pairs]))


def measure(folder: Path, n: int, searches: int) -> dict[str, object]:
    topics = max(n // 100, 1)
    asked = queries(searches, topics)
    with RoutingLog(folder / "routing.db") as log:
        started = time.perf_counter()
        TemplateStore(log, encoder=Topics()).add(templates(n))
        figures: dict[str, object] = {"templates": n, "added_s": since(started)}
        exact = _searched(log, None, asked, "exact", figures)
        path = folder / "index"
        chroma = _searched(log, ChromaIndex(path), asked, "chroma", figures)
        with TemplateStore(log, ChromaIndex(path), encoder=Topics()) as again:
            started = time.perf_counter()
            again.search(asked[0])
            figures["chroma_reopened_s"] = since(started)
    figures["chroma_recall_at_3"] = round(recall(chroma.similarities, exact.similarities), 4)
    for name, searched in (("exact", exact), ("chroma", chroma)):
        for percentile in (50, 99):
            for kind in ("clock", "cpu"):
                value = float(np.percentile(getattr(searched, kind), percentile))
                figures[f"{name}_p{percentile}_{kind}_ms"] = round(value, 2)
    return figures


def _searched(
    log: RoutingLog,
    index: TemplateIndex | None,
    asked: Vectors,
    name: str,
    figures: dict[str, object],
) -> Searched:
    with TemplateStore(log, index, encoder=Topics()) as store:
        started = time.perf_counter()
        store.search(asked[0])
        figures[f"{name}_filled_s"] = since(started)
        return timed(store, asked)


def crossings(folder: Path, requests: int) -> dict[str, int]:
    """Requests of two tenants at once, through one store, with a canary in each template."""
    tenants = ("left", "right")
    with (
        RoutingLog(folder / "routing.db") as log,
        TemplateStore(log, ChromaIndex(folder / "index"), encoder=Topics()) as store,
        ThreadPoolExecutor(8) as pool,
    ):
        for tenant in tenants:
            store.add(templates(1_000, tenant))
        asked = queries(500, 10)

        def crossed(number: int) -> int:
            tenant = tenants[number % 2]
            if number % 100 == 0:  # changes go on meanwhile
                store.add([next(templates(1, tenant, number + 1))])
            hits = store.search(asked[number % len(asked)], 3, tenant=tenant, min_similarity=-1.0)
            assert len(hits) == 3
            return sum(not hit.template.problem.startswith(f"{tenant}:") for hit in hits)

        return {"requests": requests, "crossings": sum(pool.map(crossed, range(requests)))}


def since(started: float) -> float:
    return round(time.perf_counter() - started, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--templates", type=int, nargs="*", default=list(LIMITS))
    parser.add_argument("--searches", type=int, default=1_000)
    parser.add_argument("--requests", type=int, default=10_000)
    options = parser.parse_args()
    for n in options.templates:
        with tempfile.TemporaryDirectory() as folder:
            figures = measure(Path(folder), n, options.searches)
        print(json.dumps(figures, indent=2), flush=True)
        assert float(str(figures["chroma_recall_at_3"])) >= 0.99
        for name in ("exact", "chroma"):
            if float(str(figures[f"{name}_p99_clock_ms"])) >= LIMITS.get(n, np.inf):
                print(f"{name}: slower than {LIMITS[n]} ms; is the machine busy?")
    with tempfile.TemporaryDirectory() as folder:
        crossed = crossings(Path(folder), options.requests)
    print(json.dumps(crossed, indent=2))
    assert crossed["crossings"] == 0


if __name__ == "__main__":
    main()
