"""Every arm as a LangChain tool, so that an agent can choose among them itself."""

import hashlib
import re
from collections.abc import Sequence
from typing import Annotated, Protocol

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage, HumanMessage
from langchain_core.runnables.config import run_in_executor
from langchain_core.tools import BaseTool, StructuredTool
from pydantic import BaseModel, Field

from fusion_agents.strategies.base import Strategy
from fusion_agents.types import Arm, ModelCard, Query

_LONGEST = 64
_FOREIGN = re.compile(r"[^a-zA-Z0-9_-]")


class Members(Protocol):
    """What a tool needs of the pool."""

    def chat_model(self, name: str) -> BaseChatModel:
        """The chat model of this name."""

    def strategy(self, name: str) -> Strategy:
        """The strategy of this name."""

    def card(self, name: str) -> ModelCard:
        """What is known about a model."""


class Asked(BaseModel):
    """What an arm is asked."""

    query: Annotated[str, Field(description="The question, with all that is needed to answer it.")]


def arm_tools(pool: Members, arms: Sequence[Arm]) -> list[BaseTool]:
    """Make a tool for each arm, in the order of the arms."""
    names = tool_names(arms)
    return [_tool(pool, arm, name) for arm, name in zip(arms, names, strict=True)]


def tool_names(arms: Sequence[Arm]) -> list[str]:
    """Name the arms as providers allow it: 64 letters, digits, `_`, `-`, a letter first.

    An arm whose name had to be changed or cut gets a few digits that belong to it, so that no two
    arms share a name.

    >>> tool_names([Arm(model="small"), Arm(model="small", strategy="think")])
    ['small__direct', 'small__think']
    """
    return [_tool_name(arm) for arm in arms]


def _tool_name(arm: Arm) -> str:
    plain = f"{arm.model}__{arm.strategy}"
    name = _FOREIGN.sub("_", plain)
    if not (name[0].isalpha() or name[0] == "_"):
        name = f"m_{name}"
    if name == plain and len(name) <= _LONGEST and arm.model.count("__") == 0:
        return name
    digits = hashlib.sha256(str(arm).encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{name[: _LONGEST - 9]}_{digits}"


def _tool(pool: Members, arm: Arm, name: str) -> BaseTool:
    strategy = pool.strategy(arm.strategy)

    def messages(text: str) -> list[BaseMessage]:
        return strategy.prompt([HumanMessage(text)], Query(text=text)).messages

    def ask(query: str) -> str:  # the model's run becomes a child of the tool's by its context
        return str(pool.chat_model(arm.model).invoke(messages(query)).text)

    async def aask(query: str) -> str:
        model = await run_in_executor(None, pool.chat_model, arm.model)
        sent = await run_in_executor(None, messages, query) if strategy.waits else messages(query)
        return str((await model.ainvoke(sent)).text)

    return StructuredTool.from_function(
        func=ask,
        coroutine=aask,
        name=name,
        description=_description(arm, pool.card(arm.model)),
        args_schema=Asked,
    )


def _description(arm: Arm, card: ModelCard) -> str:
    parts = [f"Ask the model {arm.model!r} ({arm.strategy})."]
    if card.description:
        parts.append(card.description.rstrip(".") + ".")
    if card.input_price is not None and card.output_price is not None:
        parts.append(
            f"Costs ${card.input_price:g} per million tokens read and ${card.output_price:g} per "
            "million tokens written."
        )
    return " ".join(parts)
