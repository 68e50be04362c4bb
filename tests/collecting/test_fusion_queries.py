"""Real queries of thirteen tasks are collected from two endpoints and scored by their metrics."""

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from fusion_agents.cli.collect_queries import read_collected
from fusion_agents.collecting import collect
from fusion_agents.pool.pool import Pool
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.testing.openai_server import Behaviour, OpenAIServer, Request
from tests.collecting.serving import PRICE

FILE = Path(__file__).parents[2].parent / "shared" / "data" / "fusion_queries.jsonl.gz"
PER_TASK = 2


def few_of_each_task() -> list[dict[str, Any]]:
    if not FILE.exists():
        pytest.skip(f"{FILE.name} is not here")
    taken: Counter[str] = Counter()
    rows = []
    with gzip.open(FILE, "rt") as file:
        for row in map(json.loads, file):
            taken[row["task_name"]] += 1
            if taken[row["task_name"]] <= PER_TASK:
                rows.append(row)
    return rows


async def test_real_queries_are_collected_and_scored(tmp_path: Path, log: RoutingLog) -> None:
    rows = few_of_each_task()
    asked = tmp_path / "queries.jsonl"
    asked.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def knowing(request: Request) -> Behaviour:
        row = next(row for row in rows if request.text.startswith(row["query"].strip()))
        return Behaviour(text=f"The answer is {row['ground_truth']}.")

    def ignorant(_: Request) -> Behaviour:
        return Behaviour(text="I do not know.")

    with OpenAIServer(rule=knowing) as first, OpenAIServer(rule=ignorant) as second:
        pool = Pool(
            {
                name: {"model": name, "base_url": server.base_url, "price": PRICE}
                for name, server in (("knows", first), ("ignores", second))
            }
        )
        summary = await collect(pool, read_collected(asked, (), "train", None, 0), log)

    assert summary.complete
    entries = list(log.scan())
    assert Counter(entry.query.task for entry in entries) == dict.fromkeys(
        (row["task_name"] for row in rows), 2 * PER_TASK
    )
    scored = [entry for entry in entries if entry.query.metric != "code"]
    assert all(entry.performance is not None for entry in scored)
    knows = [entry.performance or 0 for entry in scored if entry.arm.model == "knows"]
    assert sum(knows) / len(knows) > 0.9
    assert not any(entry.performance for entry in entries if entry.arm.model == "ignores")
