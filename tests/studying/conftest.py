from collections.abc import Iterator
from pathlib import Path

import pytest

from fusion_agents.pool.pool import Pool
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.testing.openai_server import OpenAIServer
from tests.studying.world import behave, entries


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer(behave) as running:
        yield running


@pytest.fixture
def pool(server: OpenAIServer) -> Pool:
    return Pool(
        {
            name: {
                "model": f"{name}-model",
                "base_url": server.base_url,
                "price": {"input": price, "output": 2 * price},
            }
            for name, price in (("small", 1.0), ("large", 10.0))
        }
    )


@pytest.fixture
def log(tmp_path: Path) -> Iterator[RoutingLog]:
    with RoutingLog(tmp_path / "log.db") as opened:
        opened.append(entries())
        yield opened
