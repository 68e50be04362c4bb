"""What an agent's call asks of a model, and which arms can do it."""

from typing import Any

from langchain.agents.middleware.types import ModelRequest
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langchain_core.messages import BaseMessage
from langchain_core.messages.utils import count_tokens_approximately

from fusion_agents.conversation import Needs, needs_of
from fusion_agents.pool.pool import Pool
from fusion_agents.types import Arm


def conversation(request: ModelRequest[Any]) -> list[BaseMessage]:
    """What is sent: the system prompt and the messages."""
    system = [] if request.system_message is None else [request.system_message]
    return [*system, *request.messages]


def needs_of_request(request: ModelRequest[Any]) -> tuple[Needs, ...]:
    """What a model must be able to do; where there are several ways, one of them is enough.

    A response format is served by the provider or by a tool call, as its strategy says; a bare
    schema is served either way, as the agent finds out for each model.
    """
    wanted = request.response_format
    tools = bool(request.tools)
    base = needs_of(conversation(request), tools=tools)
    if tools:
        schemas = count_tokens_approximately([], tools=list(request.tools))
        base = base._replace(tokens=base.tokens + schemas)
    if wanted is None:
        return (base,)
    natively, by_tool = base._replace(structured_output=True), base._replace(tools=True)
    if isinstance(wanted, ProviderStrategy):
        return (natively,)
    return (by_tool,) if isinstance(wanted, ToolStrategy) else (natively, by_tool)


def unable(pool: Pool, arm: Arm, needs: tuple[Needs, ...]) -> str | None:
    """Why an arm cannot serve a call; none if it can."""
    reason: str | None = None
    for way in needs:
        reason = pool.unfit(arm, way)
        if reason is None:
            return None
    return reason
