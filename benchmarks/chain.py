"""What the chain adds to a call of the same model, one at a time and in batches, in one run.

The models are fakes that answer at once, so that only the chain's own time is seen. "Encoding left
out" routes with vectors that are cached already.
"""

import argparse
import asyncio
import cProfile
import pstats
import time
from collections.abc import Callable, Coroutine, Iterable

import numpy as np

from fusion_agents import FusionRouterChain
from fusion_agents.encoders.base import Encoder
from fusion_agents.encoders.cache import CachedEncoder
from fusion_agents.encoders.lexical import LexicalEncoder
from fusion_agents.outcomes import Outcomes
from fusion_agents.routers import make_router
from fusion_agents.testing.fake_chat import FakeChatModel
from fusion_agents.testing.outcomes import make_outcomes

STEPS = {
    "read_turn": "read the input, find the arms that can answer",
    "encode": "encode",
    "route": "forecast and route",
    "evidence": "evidence as JSON (run metadata, response metadata)",
    "answer": "answer, with the model's own call",
    "invoke": "the chain in all",
}


def spread(times: list[float]) -> str:
    p50, p99 = np.percentile(1000 * np.asarray(times), (50, 99))
    return f"p50 {p50:6.2f} ms  p99 {p99:6.2f} ms"


def added(direct: Callable[[str], object], chain: Callable[[str], object], texts: list[str]) -> str:
    """Alternate between the two, so that both meet the same machine."""
    for text in texts[:100]:
        direct(text), chain(text)
    plain, whole = [], []
    for text in texts:
        start = time.perf_counter()
        direct(text)
        between = time.perf_counter()
        chain(text)
        plain.append(between - start)
        whole.append(time.perf_counter() - between)
    usual = float(np.median(plain))
    return (
        f"direct {spread(plain)} | chain {spread(whole)} | "
        f"added {spread([seconds - usual for seconds in whole])}"
    )


def make_chain(log: Outcomes, encoder: Encoder, model: FakeChatModel) -> FusionRouterChain:
    router = make_router("auto", encoder=encoder).fit(log)
    models = {arm.model: model for arm in log.arms}
    return FusionRouterChain.from_router(router, models=models)


def compare(model: FakeChatModel, chain: FusionRouterChain, texts: list[str]) -> None:
    def all_of(stream: Callable[[str], Iterable[object]]) -> Callable[[str], object]:
        return lambda text: list(stream(text))

    with asyncio.Runner() as runner:

        def waiting(call: Callable[[str], Coroutine]) -> Callable[[str], object]:
            return lambda text: runner.run(call(text))

        print(f"  invoke   {added(model.invoke, chain.invoke, texts)}")
        print(f"  ainvoke  {added(waiting(model.ainvoke), waiting(chain.ainvoke), texts)}")
        print(f"  stream   {added(all_of(model.stream), all_of(chain.stream), texts)}")


def one_at_a_time(log: Outcomes, n: int) -> FusionRouterChain:
    model = FakeChatModel(answer="42")
    texts = [query.text for query in log.queries][:n]
    print("encoding left out:")
    compare(model, make_chain(log, CachedEncoder(encoder=LexicalEncoder()), model), texts)
    print("lexical encoder:")
    chain = make_chain(log, LexicalEncoder(), model)
    compare(model, chain, texts)
    return chain


def profile(chain: FusionRouterChain, texts: list[str]) -> None:
    profiler = cProfile.Profile()
    profiler.enable()
    for text in texts:
        chain.invoke(text)
    profiler.disable()
    stats = pstats.Stats(profiler)
    print(f"where the time goes (mean of {len(texts)}, under the profiler, which slows all down):")
    for (file, _, function), (_, calls, _, seconds, _) in sorted(
        stats.stats.items(), key=lambda item: -item[1][3]
    ):
        if function in STEPS and "fusion_agents" in file and "testing" not in file:
            where = file.partition("fusion_agents/")[2]
            each = 1000 * seconds / len(texts)
            print(f"  {each:6.2f} ms  {calls / len(texts):4.1f} calls  {where}:{function}")


async def throughput(log: Outcomes, n: int, concurrency: int, delay: float) -> None:
    model = FakeChatModel(answer="42", delay=delay)
    chain = make_chain(log, LexicalEncoder(), model)
    texts = [log.queries[i % len(log.queries)].text for i in range(n)]
    config = {"max_concurrency": concurrency}
    for name, runnable in (("bare", model), ("chain", chain), ("bare", model), ("chain", chain)):
        start = time.perf_counter()
        await runnable.abatch(texts, config)
        seconds = time.perf_counter() - start
        print(f"abatch {n} at concurrency {concurrency}, {name}: {n / seconds:.1f} answers/s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queries", type=int, default=6_000, help="logged queries")
    parser.add_argument("--arms", type=int, default=10)
    parser.add_argument("--calls", type=int, default=1_000)
    parser.add_argument("--batch", type=int, default=1_280)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--delay", type=float, default=0.5, help="seconds a model takes")
    options = parser.parse_args()
    log = make_outcomes(options.queries, options.arms, seed=0)
    print(f"{options.queries} logged queries, {options.arms} arms, {options.calls} calls")
    chain = one_at_a_time(log, options.calls)
    profile(chain, [query.text for query in log.queries][: options.calls // 2])
    asyncio.run(throughput(log, options.batch, options.concurrency, options.delay))


if __name__ == "__main__":
    main()
