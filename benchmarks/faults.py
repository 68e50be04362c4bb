"""How calls end when providers fail, and what asking through the answerer costs when none does.

The real OpenAI client (`ChatOpenAI`) asks a loopback server that refuses, resets, hangs and talks
nonsense as it is told to. No model is called and no network is used.
"""

import argparse
import asyncio
import os
import random
import statistics
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from langchain_core.messages import HumanMessage
from langchain_openai import ChatOpenAI

from fusion_agents.answering.answerer import Answerer
from fusion_agents.answering.nouns import Answer, Call
from fusion_agents.answering.policy import AnswerPolicy
from fusion_agents.errors import AnswerError
from fusion_agents.pool.pool import Pool
from fusion_agents.testing.fake_chat import FakeChatModel
from fusion_agents.testing.openai_server import Behaviour, OpenAIServer, Request
from fusion_agents.types import Arm, Query

NONSENSE = (
    Behaviour(text=None),
    Behaviour(empty_choices=True),
    Behaviour(body="<html><body>Bad gateway</body></html>"),
    Behaviour(body=b'{"choices": [{"mess'),
)
WAYS = ("sync", "async", "stream", "astream")


def faulty(share: dict[str, float], seed: int = 0) -> Callable[[Request], Behaviour | None]:
    """A provider that fails at random."""
    draw = random.Random(seed)
    behaviours = {
        "limited": lambda: Behaviour(status=429, retry_after_ms=draw.choice([50, 100, 200])),
        "reset": lambda: Behaviour(reset=True),
        "hang": lambda: Behaviour(hang=True),
        "nonsense": lambda: draw.choice(NONSENSE),
    }

    def rule(_: Request) -> Behaviour | None:
        ticket = draw.random()
        for name, part in share.items():
            if ticket < part:
                return behaviours[name]()
            ticket -= part
        return Behaviour(text="42", delay=0.02)

    return rule


def model(server: OpenAIServer, name: str) -> ChatOpenAI:
    return ChatOpenAI(model=name, base_url=server.base_url, api_key="test")


def call_of(text: str, *models: str) -> Call:
    return Call(
        query=Query(text=text),
        messages=[HumanMessage(text)],
        arms=tuple(Arm(model=name) for name in models),
    )


async def drained(answerer: Answerer, call: Call) -> Answer:
    return [item async for item in answerer.astream(call)][-1]


def exhausted(answerer: Answerer, call: Call) -> Answer:
    pieces = answerer.stream(call)
    while True:
        try:
            next(pieces)
        except StopIteration as end:
            return end.value


def asked(answerer: Answerer, way: str) -> Callable[[Call], Awaitable[Answer]]:
    """One way of asking, for an event loop."""
    if way == "async":
        return answerer.aanswer
    if way == "astream":
        return lambda call: drained(answerer, call)
    method = answerer.answer if way == "sync" else lambda call: exhausted(answerer, call)
    threads = ThreadPoolExecutor(128)

    async def threaded(call: Call) -> Answer:
        return await asyncio.get_running_loop().run_in_executor(threads, method, call)

    return threaded


async def storm(
    way: str, n: int, limit: int, models: tuple[str, ...], share: dict[str, float]
) -> None:
    with OpenAIServer(rule=faulty(share)) as server:
        pool = Pool({name: model(server, name) for name in models})
        policy = AnswerPolicy(
            deadline=30, attempt_timeout=2, first_backoff=0.05, max_backoff=1, max_attempts=8
        )
        ask = asked(Answerer(pool, policy), way)
        slots = asyncio.Semaphore(limit)
        ends: Counter[str] = Counter()
        seconds: list[float] = []

        async def one(number: int) -> None:
            async with slots:
                start = time.monotonic()
                try:
                    await ask(call_of(f"Query {number}?", *models))
                    ends["answered"] += 1
                except AnswerError:
                    ends["typed error"] += 1
                except Exception as error:  # noqa: BLE001  it is what this is about
                    ends[f"other: {error!r}"] += 1
                seconds.append(time.monotonic() - start)

        start = time.monotonic()
        await asyncio.gather(*(one(i) for i in range(n)))
        took = time.monotonic() - start
        print(
            f"{way}, {len(models)} model(s), {'faults' if share else 'no faults'}: {dict(ends)} of "
            f"{n} in {took:.1f} s, longest {max(seconds):.2f} s, {server.hits} hits, "
            f"peak {server.peak} of {limit}"
        )


def hits() -> None:
    for models, per_arm in ((("a",), 3), (("a", "b"), 3), (("a", "b", "c"), 1), (("a", "b"), 8)):
        with OpenAIServer(rule=lambda _: Behaviour(status=500)) as server:
            pool = Pool({name: model(server, name) for name in models})
            policy = AnswerPolicy(
                max_attempts=8, attempts_per_arm=per_arm, first_backoff=0.001, max_backoff=0.01
            )
            try:
                Answerer(pool, policy).answer(call_of("Why?", *models))
            except AnswerError as error:
                order = "".join(attempt.arm.model for attempt in error.attempts)
                what = f"{len(models)} arm(s), {per_arm} a turn"
                print(f"always 500, {what}: {server.hits} hits: {order}")


async def waits() -> None:
    date = (datetime.now(UTC) + timedelta(seconds=2)).replace(microsecond=0)
    since_boot = date.timestamp() - time.time() + time.monotonic()
    forms: dict[str, tuple[Behaviour, float | None]] = {
        "a date": (Behaviour(status=429, retry_after=format_datetime(date, usegmt=True)), None),
        "0.4 s": (Behaviour(status=429, retry_after="0.4"), 0.4),
        "1 s": (Behaviour(status=429, retry_after="1"), 1.0),
        "250 ms": (Behaviour(status=429, retry_after_ms=250), 0.25),
    }
    for form, (behaviour, seconds) in forms.items():
        with OpenAIServer() as server:
            server.script(behaviour)
            pool = Pool({"a": model(server, "a")})
            await Answerer(pool).aanswer(call_of("Why?", "a"))
            first, second = (request.time for request in server.requests)
            wanted = since_boot - first if seconds is None else seconds
            print(
                f"Retry-After as {form}: {wanted:.3f} s, asked again after {second - first:.3f} s"
            )
    refusal = Behaviour(status=429, retry_after="300")
    with OpenAIServer(rule=lambda request: refusal if request.model == "a" else None) as server:
        answerer = Answerer(Pool({name: model(server, name) for name in "ab"}))
        start = time.monotonic()
        await answerer.aanswer(call_of("Why?", "a", "b"))
        first = time.monotonic() - start
        await answerer.aanswer(call_of("And?", "a", "b"))
        hits = sum(request.model == "a" for request in server.requests)
        print(f"Retry-After of 300 s: fallback after {first:.3f} s; {hits} hit(s) by 2 queries")


async def deadlines() -> None:
    slow = {"hang": Behaviour(hang=True), "drip": Behaviour(drip=0.5, text="word " * 999)}
    for name, behaviour in slow.items():
        with OpenAIServer(rule=lambda _, slow=behaviour: slow) as server:
            pool = Pool({"a": model(server, "a")})
            for way in WAYS:
                ask = asked(Answerer(pool, AnswerPolicy(deadline=2.0)), way)
                start = time.monotonic()
                try:
                    await ask(call_of("Why?", "a"))
                except AnswerError as error:
                    took = time.monotonic() - start
                    kind = error.attempts[-1].error
                    print(f"{name}, {way}: {kind} after {took:.3f} s of 2")
            await asyncio.sleep(1.0)
            print(f"{name}: {server.hits} hits, {server.in_service} still served a second later")


async def one_is_bad(n: int) -> None:
    """One arm of two refuses the key, or hangs; it is the first choice of every query."""
    for name, behaviour in (("401", Behaviour(status=401)), ("hang", Behaviour(hang=True))):
        with OpenAIServer(rule=lambda r, bad=behaviour: bad if r.model == "a" else None) as server:
            pool = Pool({name: model(server, name) for name in "ab"})
            answerer = Answerer(pool, AnswerPolicy(attempt_timeout=1.0))
            slots = asyncio.Semaphore(16)

            async def one(number: int, answerer: Answerer, slots: asyncio.Semaphore) -> None:
                async with slots:
                    await answerer.aanswer(call_of(f"Query {number}?", "a", "b"))

            start = time.monotonic()
            await asyncio.gather(*(one(i, answerer, slots) for i in range(n)))
            took = time.monotonic() - start
            hits = sum(request.model == "a" for request in server.requests)
            print(f"first arm {name}, 16 at a time: {n} answers in {took:.1f} s, {hits} hits on it")


def milliseconds(call: Callable[[], object], n: int = 1000) -> float:
    for _ in range(n // 10):
        call()
    times = []
    for _ in range(n):
        start = time.perf_counter()
        call()
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times)


async def amilliseconds(call: Callable[[], Awaitable[object]], n: int = 1000) -> float:
    for _ in range(n // 10):
        await call()
    times = []
    for _ in range(n):
        start = time.perf_counter()
        await call()
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times)


async def overhead() -> None:
    chat_model = FakeChatModel(model="small", answer="42")
    answerer = Answerer(Pool({"small": chat_model}))
    call = call_of("6 * 7?", "small")
    bare = milliseconds(lambda: chat_model.invoke(call.messages))
    ours = milliseconds(lambda: answerer.answer(call))
    print(f"invoke: model {bare:.3f} ms, answerer {ours:.3f} ms: +{ours - bare:.3f} ms")
    abare = await amilliseconds(lambda: chat_model.ainvoke(call.messages))
    aours = await amilliseconds(lambda: answerer.aanswer(call))
    print(f"ainvoke: model {abare:.3f} ms, answerer {aours:.3f} ms: +{aours - abare:.3f} ms")
    sbare = milliseconds(lambda: list(chat_model.stream(call.messages)))
    sours = milliseconds(lambda: list(answerer.stream(call)))
    print(f"stream: model {sbare:.3f} ms, answerer {sours:.3f} ms: +{sours - sbare:.3f} ms")


async def main(n: int) -> None:
    await overhead()
    hits()
    await waits()
    await deadlines()
    await one_is_bad(n // 4)
    faults = {"limited": 0.30, "reset": 0.05, "hang": 0.02, "nonsense": 0.02}
    for way in WAYS:
        await storm(way, n, 64, ("a",), {})
        await storm(way, n, 64, ("a",), faults)
    await storm("async", n, 64, ("a", "b", "c"), faults)


if __name__ == "__main__":
    os.environ.setdefault("LANGSMITH_TRACING", "false")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queries", type=int, default=2000)
    asyncio.run(main(parser.parse_args().queries))
