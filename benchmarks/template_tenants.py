"""Whether a request ever sees thought templates of another tenant, from the chain to the log.

Templates of two tenants for the same questions, each with a word of its tenant's that occurs
nowhere else; requests of both and of a third tenant without templates, mixed, in batches on
threads and in an event loop, while templates are added. A crossing is a prompt with another
tenant's word, or a log entry with the id of another tenant's template. Also shown: how long
retrieval takes by itself.
"""

import argparse
import asyncio
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from langchain_core.messages import BaseMessage

from fusion_agents.chain import FusionRouterChain
from fusion_agents.simulation.questions import generate_questions
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.stores.template_store import TemplateStore
from fusion_agents.templates.retrieving import ThoughtTemplateRetriever
from fusion_agents.testing.fake_chat import FakeChatModel
from fusion_agents.types import ThoughtTemplate

WORDS = {"a": "heliotrope", "b": "marzipan", "c": "nobody"}
BATCH = 250


def templates(texts: list[str]) -> list[ThoughtTemplate]:
    return [
        ThoughtTemplate(
            problem=f"The {WORDS[tenant]} way: by parts.",
            question=text,
            query_id=text,
            tenant=tenant,
        )
        for text in texts
        for tenant in ("a", "b")
    ]


def config(number: int) -> Any:
    tenant = "abc"[number % 7 % 3]
    return {"configurable": {"tenant": tenant, "arm": "m@thought"}, "max_concurrency": 8}


def crossings(prompts: list[str], log: RoutingLog, store: TemplateStore) -> tuple[int, int, int]:
    """Prompts and entries that crossed, and prompts that had templates."""
    asked = [text.partition("for ")[2].partition(":")[0] for text in prompts]
    crossed = [
        any(word in text for tenant, word in WORDS.items() if tenant != who)
        for who, text in zip(asked, prompts, strict=True)
    ]
    owner = {template.id: template.tenant for template in store.scan()}
    wrong = sum(owner[name] != entry.tenant for entry in log.scan() for name in entry.template_ids)
    shown = sum(any(word in text for word in WORDS.values()) for text in prompts)
    return sum(crossed), wrong, shown


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--templates", type=int, default=2_000)
    options = parser.parse_args()
    questions = [q.text for q in generate_questions(options.templates + options.requests, 0)]
    known, new = questions[: options.templates], questions[options.templates :]
    with TemporaryDirectory() as folder, RoutingLog(Path(folder) / "log.db") as log:
        store = TemplateStore(log)
        store.add(templates(known[:-100]))
        retriever = ThoughtTemplateRetriever(store=store)
        times = []
        for text in new[:300]:
            start = time.process_time()
            retriever.find(text, tenant="a")
            times.append(1000 * (time.process_time() - start))
        p50, p99 = np.percentile(times, [50, 99])
        print(f"retrieval, processor: p50 {p50:.1f} ms, p99 {p99:.1f} ms", flush=True)
        received: list[str] = []

        def answer(messages: list[BaseMessage]) -> str:
            received.append(str(messages[-1].content))
            return "42"

        model = FakeChatModel(answer=answer)
        pool = {"m": {"model": model, "strategies": ["direct", "thought"]}}
        chain = FusionRouterChain.from_models(pool, record=log)
        start = time.monotonic()
        for number in range(0, options.requests, BATCH):
            configs = [config(i) for i in range(number, min(number + BATCH, options.requests))]
            inputs: list[Any] = [
                f"for {one['configurable']['tenant']}: {text}"
                for one, text in zip(configs, new[number : number + BATCH], strict=True)
            ]
            if number // BATCH % 2:
                await chain.abatch(inputs, configs)
            else:
                await asyncio.to_thread(chain.batch, inputs, configs)
            added = number * 100 // options.requests
            store.add(templates(known[-100:][added : added + 1]))
        seconds = time.monotonic() - start
        prompts, entries, shown = crossings(received, log, store)
        print(
            f"{len(received)} requests in {seconds:.0f} s, {shown} with templates: "
            f"{prompts} prompts and {entries} entries crossed"
        )


if __name__ == "__main__":
    asyncio.run(main())
