"""A loopback server, and pools of real clients that leave no connection behind."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from langchain_openai import ChatOpenAI
from langchain_openai.chat_models import _client_utils

from fusion_agents.pool.pool import Pool
from fusion_agents.testing.openai_server import OpenAIServer

MakePool = Callable[..., Pool]


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as running:
        yield running


@pytest.fixture
async def closing() -> AsyncIterator[Callable[[Pool], Pool]]:
    """Takes care of a pool's connections when the test is over."""
    pools: list[Pool] = []

    def keep(pool: Pool) -> Pool:
        pools.append(pool)
        return pool

    yield keep
    for model in (pool.chat_model(name) for pool in pools for name in pool.models):
        assert isinstance(model, ChatOpenAI)
        model.root_client.close()
        await model.root_async_client.close()
    # LangChain keeps clients by address, and the next server may have the same one.
    _client_utils._cached_sync_httpx_client.cache_clear()
    _client_utils._cached_async_httpx_client.cache_clear()


@pytest.fixture
def pool_of(server: OpenAIServer, closing: Callable[[Pool], Pool]) -> MakePool:
    """A pool of `ChatOpenAI` that asks the loopback server."""

    def make(*names: str, **options: Any) -> Pool:
        def entry(name: str) -> dict[str, Any]:
            model = ChatOpenAI(
                **{
                    "model": name,
                    "base_url": server.base_url,
                    "api_key": "test-key",
                    "stream_usage": True,
                    **options,
                }
            )
            return {"model": model, "price": {"input": 1.0, "output": 2.0}}

        return closing(Pool({name: entry(name) for name in names}))

    return make
