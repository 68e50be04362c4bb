"""What the answering step takes and gives."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage

from fusion_agents.strategies.base import Occasion
from fusion_agents.types import Arm, Attempt, Dollars, Query, Seconds, Usage

NOT_STREAMED = "nostream"
"""Tag by which LangGraph keeps a model's tokens out of the stream that an app shows."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Bindings:
    """What the caller bound to the model before one was chosen; applied to the chosen one."""

    tools: tuple[Any, ...] = ()
    """As `bind_tools` takes them."""
    tool_options: Mapping[str, Any] = field(default_factory=dict)
    """Further arguments of `bind_tools`, such as `tool_choice`."""
    schema: Any = None
    """As `with_structured_output` takes it; none for plain answers."""
    schema_options: Mapping[str, Any] = field(default_factory=dict)
    """Further arguments of `with_structured_output`, such as `method`; not `include_raw`."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of the call itself: `stop`, `temperature`, ..."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Call:
    """One query, ready to be answered."""

    query: Query
    messages: Sequence[BaseMessage]
    """The conversation before the arm's strategy."""
    arms: tuple[Arm, ...]
    """Best first; later ones are fallbacks. Each is in the pool and able to answer."""
    bindings: Bindings = field(default_factory=Bindings)
    occasion: Occasion = field(default_factory=Occasion)
    """On whose behalf, for strategies that look something up."""
    tags: tuple[str, ...] = ()
    """Tags of the model's run."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """Metadata of the model's run, beside the arm and the number of the attempt."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Answer:
    """How a call ended well."""

    message: AIMessage
    """As the model gave it, with the usage of all attempts summed in `usage_metadata`."""
    parsed: Any = None
    """What `Bindings.schema` made of it."""
    arm: Arm
    attempts: tuple[Attempt, ...]
    """In order; the last one is the answer."""
    template_ids: tuple[str, ...] = ()

    @property
    def usage(self) -> Usage:
        """Of the attempt that answered."""
        return self.attempts[-1].usage

    @property
    def cost(self) -> Dollars | None:
        """Dollars of all attempts; none if it is not known of any."""
        known = [attempt.cost for attempt in self.attempts if attempt.cost is not None]
        return sum(known) if known else None

    @property
    def latency(self) -> Seconds:
        """Seconds of all attempts and waits together."""
        return sum(attempt.seconds + attempt.waited for attempt in self.attempts)
