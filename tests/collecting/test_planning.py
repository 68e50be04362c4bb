"""Calls are named by what they ask, and planned a few at a time."""

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from langchain_core.messages import BaseMessage
from langchain_openai import ChatOpenAI

from fusion_agents.collecting.planning import CHUNK, Planner, model_identity
from fusion_agents.pool.member import PoolModel
from fusion_agents.pool.pool import Pool
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.strategies.think import ThinkStrategy
from fusion_agents.types import Arm, Query

POOL = Pool({"small": "openai:gpt-5-mini"})


def key_of(log: RoutingLog, pool: Pool = POOL, strategy: str = "think", text: str = "1?") -> str:
    planner = Planner(pool, log.ledger, [Query(text=text)])
    (call,) = next(planner.chunks([Arm(model="small", strategy=strategy)])).calls
    return call.key


def chat(**options: Any) -> PoolModel:
    model = ChatOpenAI(model="gpt-4o-mini", **{"api_key": "key-one-123456", **options})
    return PoolModel(name="small", spec=model)


def test_other_words_make_another_call(log: RoutingLog) -> None:
    keys = {
        key_of(log),
        key_of(log, text="2?"),
        key_of(log, strategy="direct"),
        key_of(log, Pool({"small": "openai:gpt-5"})),
        key_of(log, Pool({"small": {"model": "openai:gpt-5-mini", "temperature": 0.1}})),
        key_of(log, POOL.with_strategies({"think": ThinkStrategy(instruction="Think!")})),
    }
    assert len(keys) == 6
    assert key_of(log) == key_of(log)


def test_a_chat_model_is_known_by_its_settings_not_by_its_key_or_address() -> None:
    plain = model_identity(chat())
    assert plain == model_identity(chat(api_key="key-two-654321", timeout=3, max_retries=5))
    assert plain == model_identity(chat(base_url="http://127.0.0.1:1/v1"))
    assert plain != model_identity(chat(temperature=0.3))
    assert plain != model_identity(chat(model_kwargs={"a_setting": 0.5}))


def test_a_key_in_a_header_is_no_part_of_a_models_identity() -> None:
    first, second = (
        model_identity(chat(default_headers={"X-Api-Key": key}))
        for key in ("one-12345", "two-12345")
    )
    assert first == second


def test_no_more_is_planned_than_is_needed(log: RoutingLog) -> None:
    class Endless:
        taken = 0

        def __iter__(self) -> Iterator[Query]:
            for number in count():
                self.taken = number + 1
                yield Query(text=f"{number}?")

    endless = Endless()
    chunks = Planner(POOL, log.ledger, endless).chunks(POOL.arms)
    assert len(next(chunks).calls) == CHUNK
    assert endless.taken == CHUNK


def test_a_strategy_that_cannot_prompt_ends_the_planning_with_its_error(log: RoutingLog) -> None:
    class Broken(ThinkStrategy):
        def prompt(self, messages: list[BaseMessage], query: Query) -> Any:  # type: ignore[override]
            raise ValueError("no template")

    pool = POOL.with_strategies({"think": Broken()})
    with pytest.raises(ValueError, match="no template"):
        key_of(log, pool)
