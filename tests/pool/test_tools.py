import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import ToolCall
from langchain_core.utils.function_calling import convert_to_openai_tool
from langchain_openai import ChatOpenAI

from fusion_agents.errors import ConfigError
from fusion_agents.pool import Pool
from fusion_agents.pool.tools import tool_names
from fusion_agents.testing.fake_chat import FakeChatModel
from fusion_agents.types import Arm

VALID = re.compile(r"[a-zA-Z_][a-zA-Z0-9_-]{0,63}")
names = st.text(st.sampled_from("ab./_- 1@é"), min_size=1, max_size=70)


class Started(BaseCallbackHandler):
    def __init__(self) -> None:
        self.parents: list[Any] = []

    def on_chat_model_start(self, *args: Any, parent_run_id: Any = None, **kwargs: Any) -> None:
        self.parents.append(parent_run_id)


def pool() -> Pool:
    table = {
        "model": FakeChatModel(answer=lambda messages: str(messages[-1].text)),
        "strategies": ["direct", "think"],
        "description": "Quick.",
        "price": {"input": 0.25, "output": 2.0},
    }
    return Pool({"small": table, "large": FakeChatModel(answer="42")})


def test_every_arm_is_a_tool() -> None:
    tools = pool().as_tools()
    assert [tool.name for tool in tools] == ["small__direct", "small__think", "large__direct"]
    assert list(tools[0].args) == ["query"]
    assert tools[0].description.count("Quick.") == 1
    assert "$0.25" in tools[0].description


async def test_a_tool_applies_its_strategy_and_gives_the_answers_text() -> None:
    direct, think, large = pool().as_tools()
    assert direct.invoke({"query": "6 * 7?"}) == "6 * 7?"
    assert "step by step" in think.invoke({"query": "6 * 7?"})
    assert await large.ainvoke({"query": "6 * 7?"}) == "42"
    assert "step by step" in await think.ainvoke({"query": "6 * 7?"})


def test_a_tool_call_is_answered_by_a_tool_message() -> None:
    call = ToolCall(name="large__direct", args={"query": "6 * 7?"}, id="1", type="tool_call")
    answered = pool().as_tools()[2].invoke(call)
    assert (answered.content, answered.tool_call_id) == ("42", "1")


async def test_the_models_run_is_a_child_of_the_tools() -> None:
    seen = Started()
    tool = pool().as_tools()[2]
    tool.invoke({"query": "6 * 7?"}, {"callbacks": [seen]})
    await tool.ainvoke({"query": "6 * 7?"}, {"callbacks": [seen]})
    assert len(seen.parents) == 2
    assert None not in seen.parents


def test_tools_can_be_bound_to_a_model(planted: str) -> None:
    bound = ChatOpenAI(model="gpt-5").bind_tools(pool().as_tools())
    assert [t["function"]["name"] for t in bound.kwargs["tools"]] == [  # type: ignore[attr-defined]
        "small__direct",
        "small__think",
        "large__direct",
    ]
    described = convert_to_openai_tool(pool().as_tools()[0])
    assert list(described["function"]["parameters"]["properties"]) == ["query"]


def test_only_some_arms_can_be_asked_for() -> None:
    tools = pool().as_tools([Arm(model="large", strategy="think")])
    assert [tool.name for tool in tools] == ["large__think"]
    with pytest.raises(ConfigError, match="unknown strategy"):
        pool().as_tools([Arm(model="large", strategy="thoughtless")])


@given(st.sets(st.builds(Arm, model=names, strategy=st.sampled_from(["direct", "a__b", "b"]))))
def test_names_are_valid_and_no_two_arms_share_one(found: set[Arm]) -> None:
    made = tool_names(sorted(found, key=str))
    assert len(set(made)) == len(made)
    assert all(VALID.fullmatch(name) for name in made)


def test_names_do_not_depend_on_the_other_arms() -> None:
    arms = [Arm(model="a/b"), Arm(model="a.b"), Arm(model="x" * 80)]
    assert tool_names(arms) == [tool_names([arm])[0] for arm in arms]
