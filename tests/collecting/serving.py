"""Pools of a loopback server's models, and queries for them."""

from typing import Any

from fusion_agents.answering.policy import AnswerPolicy
from fusion_agents.pool.pool import Pool
from fusion_agents.testing.openai_server import OpenAIServer
from fusion_agents.types import Query

PRICE = {"input": 1.0, "output": 2.0}
HASTY = AnswerPolicy(
    deadline=2.0,
    attempt_timeout=0.5,
    max_attempts=2,
    attempts_per_arm=2,
    first_backoff=0.01,
    max_backoff=0.02,
)


def pool_of(server: OpenAIServer, *names: str, **settings: Any) -> Pool:
    settings = {"base_url": server.base_url, "price": PRICE, **settings}
    return Pool({name: {"model": name, **settings} for name in names or ("small",)})


def queries(n: int) -> list[Query]:
    return [
        Query(text=f"How much is {i} + 1?", ground_truth=str(i + 1), metric="number")
        for i in range(n)
    ]
