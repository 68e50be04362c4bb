"""What a strategy is: how a conversation becomes the messages that a model is sent."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Self

from langchain_core.messages import BaseMessage

from fusion_agents.types import Query, ThoughtTemplate


class Occasion(NamedTuple):
    """What a strategy may have to know beside the conversation."""

    tenant: str = "default"
    """On whose behalf; what a strategy looks up is this tenant's alone."""
    templates: tuple[ThoughtTemplate, ...] | None = None
    """Thought templates that were looked up already; none if nobody has looked."""


class Prompt(NamedTuple):
    """What is sent."""

    messages: list[BaseMessage]
    template_ids: tuple[str, ...] = ()
    """Thought templates that were put in front of the query."""


@dataclass(kw_only=True)
class Strategy(ABC):
    """Turns a conversation into the messages that a model is sent.

    A strategy leaves what is there already as it is: a system prompt, earlier turns, pictures,
    tool calls and their results; it changes the last human message or adds to the system prompt,
    and never the caller's own objects. Its module's name, with hyphens, is its name.
    """

    name: ClassVar[str]
    needs_log: ClassVar[bool] = False
    """Whether it must be made from a log before it can be used."""
    waits: ClassVar[bool] = False
    """Whether `prompt` blocks (a database, a model): asynchronous callers use a thread."""

    version: str | None = None
    """Stands for what the prompts depend on beside the conversation, where that changes by itself:
    what was collected with one version is not asked again. None: the prompts say it themselves."""

    @abstractmethod
    def prompt(self, messages: Sequence[BaseMessage], query: Query) -> Prompt:
        """Say what to send; `messages` has at least one message and is not changed."""

    def on(self, occasion: Occasion) -> Self:
        """The strategy for an occasion; itself if that makes no difference to it."""
        return self

    def look_up(self, query: Query) -> tuple[ThoughtTemplate, ...] | None:
        """Find what `prompt` would show for a query; none if it looks up no templates."""
        return None

    @property
    def added_tokens(self) -> int:
        """Most tokens that it adds: they have to fit into the model's context window too."""
        return 0
