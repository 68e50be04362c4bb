from typing import Any

from langchain.agents.middleware.types import ModelRequest
from langchain.agents.structured_output import AutoStrategy, ProviderStrategy, ToolStrategy
from langchain_core.messages import HumanMessage, SystemMessage
from pydantic import BaseModel

from fusion_agents.conversation import Needs
from fusion_agents.middleware.abilities import conversation, needs_of_request, unable
from fusion_agents.pool.pool import Pool
from fusion_agents.testing.fake_chat import FakeChatModel
from fusion_agents.types import Arm
from tests.middleware.agents import weather


class City(BaseModel):
    """A city."""

    name: str


def request(**options: Any) -> ModelRequest[Any]:
    return ModelRequest(model=FakeChatModel(), messages=[HumanMessage("Hello?")], **options)


def needs(**options: Any) -> list[tuple[bool, bool]]:
    return [(way.tools, way.structured_output) for way in needs_of_request(request(**options))]


def test_what_is_bound_to_a_call_is_what_it_needs() -> None:
    assert needs() == [(False, False)]
    assert needs(tools=[weather]) == [(True, False)]
    assert needs(response_format=ToolStrategy(City)) == [(True, False)]
    assert needs(response_format=ProviderStrategy(City)) == [(False, True)]
    assert needs(response_format=AutoStrategy(City)) == [(False, True), (True, False)]
    assert needs(response_format=City) == [(False, True), (True, False)]


def test_the_system_prompt_and_the_tools_take_room_too() -> None:
    bare = needs_of_request(request())[0].tokens
    tools = needs_of_request(request(tools=[weather]))[0].tokens
    prompt = needs_of_request(request(system_message=SystemMessage("word " * 100)))[0].tokens
    assert bare < tools < prompt
    assert len(conversation(request(system_message=SystemMessage("Be kind.")))) == 2


def test_an_arm_is_able_if_it_can_do_it_in_one_of_the_ways() -> None:
    pool = Pool({"a": {"model": "openai:x", "tools": False, "structured_output": True}})
    arm = Arm(model="a")
    ways = (Needs(structured_output=True), Needs(tools=True))
    assert unable(pool, arm, ways) is None
    assert unable(pool, arm, ways[1:]) == "a cannot call tools"
