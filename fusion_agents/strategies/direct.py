"""Asks as the app asked."""

from collections.abc import Sequence
from dataclasses import dataclass

from langchain_core.messages import BaseMessage

from fusion_agents.strategies.base import Prompt, Strategy
from fusion_agents.types import Query


@dataclass(kw_only=True)
class DirectStrategy(Strategy):
    """Send the conversation as it is.

    >>> from langchain_core.messages import HumanMessage
    >>> DirectStrategy().prompt([HumanMessage("2 + 2?")], Query(text="2 + 2?")).messages[0].content
    '2 + 2?'
    """

    name = "direct"

    def prompt(self, messages: Sequence[BaseMessage], query: Query) -> Prompt:
        """Send the messages."""
        return Prompt(list(messages))
