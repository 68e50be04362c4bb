"""How fast the default router learns and routes, beside a bare numpy reference in the same run.

Generated queries and outcomes; encoding is left out of the routing times and shown by itself.
The reference is the mean outcome of the hundred nearest of the same vectors.
"""

import argparse
import time
from collections.abc import Callable, Iterator

import numpy as np

from fusion_agents.encoders.base import NoEncoder, Vectors
from fusion_agents.encoders.lexical import LexicalEncoder
from fusion_agents.routers import make_router
from fusion_agents.routers.base import Router
from fusion_agents.routers.interfaces import Encoding
from fusion_agents.testing.outcomes import make_outcomes


def milliseconds(call: Callable[[int], object], n: int) -> tuple[float, float]:
    """Median and 99th percentile of `n` calls, after a tenth as many to warm up."""
    for i in range(n // 10):
        call(i)
    times = []
    for i in range(n):
        start = time.perf_counter()
        call(i)
        times.append(1000 * (time.perf_counter() - start))
    return float(np.median(times)), float(np.percentile(times, 99))


def reference(logged: Vectors, scores: np.ndarray, vectors: Vectors) -> np.ndarray:
    similarity = vectors @ logged.T
    near = np.argpartition(-similarity, 100, axis=1)[:, :100]
    return scores[near].mean(axis=1).argmax(axis=1)


def chunks(n: int, size: int) -> Iterator[slice]:
    return (slice(i, i + size) for i in range(0, n, size))


def small(n_queries: int, n_arms: int) -> None:
    log = make_outcomes(n_queries, n_arms, seed=0)
    texts = [query.text for query in log.queries]
    start = time.perf_counter()
    encoder = LexicalEncoder().fit(texts)
    vectors = encoder.encode(texts)
    encoded = time.perf_counter()
    router = make_router("auto").fit(log, encoding=Encoding(encoder, vectors))
    fitted = time.perf_counter()
    print(
        f"fit auto on {n_queries} queries x {n_arms} arms: {fitted - start:.1f} s, "
        f"of which encoder {encoded - start:.1f} s"
    )
    p50, p99 = milliseconds(lambda i: encoder.encode([texts[i % n_queries]]), 500)
    print(
        f"encode one query: p50 {p50:.2f} ms, p99 {p99:.2f} ms; in a batch "
        f"{1000 * (encoded - start) / n_queries:.2f} ms with the fit"
    )
    route(router, log.queries, vectors, f"{n_queries} logged")
    scores = log.performance
    p50, p99 = milliseconds(lambda i: reference(vectors, scores, vectors[i : i + 1]), 500)
    print(f"   numpy reference, one at a time: p50 {p50:.2f} ms, p99 {p99:.2f} ms")
    start = time.perf_counter()
    for part in chunks(5000, 500):
        reference(vectors, scores, vectors[:5000][part])
    print(f"   numpy reference, batch of 5,000: {time.perf_counter() - start:.2f} s")


def route(router: Router, queries: tuple, vectors: Vectors, what: str) -> None:
    p50, p99 = milliseconds(
        lambda i: router.route([queries[i % 1000]], vectors=vectors[i % 1000 : i % 1000 + 1]), 1000
    )
    print(f"route one at a time, {what}: p50 {p50:.2f} ms, p99 {p99:.2f} ms")
    n = min(5000, len(queries))
    for method in (router.decide, router.route):
        start = time.perf_counter()
        method(queries[:n], vectors=vectors[:n])
        seconds = time.perf_counter() - start
        print(f"{method.__name__} a batch of {n}, {what}: {seconds:.2f} s")


def large(n_queries: int, n_arms: int) -> None:
    """Vectors are drawn: it is the log's size that matters, not its words."""
    log = make_outcomes(n_queries, n_arms, seed=1)
    log.__dict__["groups"] = np.arange(n_queries)
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((n_queries, 287)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    start = time.perf_counter()
    router = make_router("auto").fit(log, encoding=Encoding(NoEncoder(), vectors))
    print(f"fit auto on {n_queries} queries x {n_arms} arms: {time.perf_counter() - start:.1f} s")
    route(router, log.queries, vectors, f"{n_queries} logged")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queries", type=int, default=6_000)
    parser.add_argument("--arms", type=int, default=40)
    parser.add_argument("--large", type=int, default=100_000)
    options = parser.parse_args()
    small(options.queries, options.arms)
    large(options.large, 5)


if __name__ == "__main__":
    main()
