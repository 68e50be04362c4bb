"""Build a small FusionBench of your own: two endpoints, two ways of prompting, your queries.

Every answer is scored and priced. Run it again after an interruption, or with more queries or
models: what is there is not paid again. Two servers that speak OpenAI's language are needed; name
them with FIRST_URL and SECOND_URL (vLLM, llama.cpp, Ollama, a gateway, ...).
"""

import asyncio
import os
from pathlib import Path

from fusion_agents import Query, RoutingLog
from fusion_agents.collecting import CollectProgress, collect
from fusion_agents.stores.exporting import export_log

MODELS = {
    "first": {
        "model": os.environ.get("FIRST_MODEL", "llama-3.1-8b"),
        "base_url": os.environ.get("FIRST_URL", "http://127.0.0.1:8000/v1"),
        "price": {"input": 0.05, "output": 0.08},
    },
    "second": {
        "model": os.environ.get("SECOND_MODEL", "qwen3-32b"),
        "base_url": os.environ.get("SECOND_URL", "http://127.0.0.1:8001/v1"),
        "price": {"input": 0.1, "output": 0.3},
    },
}
QUERIES = [
    Query(task="sums", text=f"What is {n} * 12?", ground_truth=str(n * 12), metric="number")
    for n in range(1, 21)
] + [
    Query(
        task="capitals",
        text="Which city is the capital of Australia?\nA. Sydney\nB. Canberra\nC. Perth",
        ground_truth="B",
        metric="multiple-choice",
    )
]


def show(progress: CollectProgress) -> None:
    print(f"\r{progress.done} of {progress.planned}, ${progress.spent:.6f}", end="", flush=True)


async def main() -> None:
    with RoutingLog("routing.db") as log:
        summary = await collect(
            MODELS, QUERIES, log, strategies=["direct", "think"], budget=1.0, on_progress=show
        )
        print(f"\n{summary.progress.answered} answers, {summary.progress.failed} errors")
        for arm in log.stats().arms:
            print(f"{arm.name}: performance {arm.performance}, cost ${arm.cost or 0:.6f}")
        rows = export_log(log, Path("my_fusionbench.csv"), "fusionbench")
        print(f"wrote {rows} rows in FusionBench's columns")


if __name__ == "__main__":
    asyncio.run(main())
