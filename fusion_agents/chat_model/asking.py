"""Asking a chain on behalf of a chat model: one or many, in one piece or in chunks."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any, cast

from langchain_core.messages import AIMessageChunk
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import get_config_list

from fusion_agents.answering.nouns import Answer, Bindings
from fusion_agents.chain import FusionRouterChain
from fusion_agents.steps.configuring import choices_of, extended, key_of
from fusion_agents.steps.preparing import prepare_ahead

_OF_TOOLS = ("tool_choice", "parallel_tool_calls", "strict")
_OF_THE_CALL = ("stop", "stream")


class Asking(Runnable[Any, Answer]):
    """Asks a chain, with what was bound and what a chat model adds to each call's config.

    Args:
        chain: Is asked.
        bindings: For whichever model is chosen.
        extra: Joined to the config of each call.
    """

    def __init__(self, chain: FusionRouterChain, bindings: Bindings, extra: RunnableConfig) -> None:
        self.chain = chain
        self.bindings = bindings
        self.extra = extra

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Answer:
        """Ask."""
        return self.chain.answer(input, self._config(config), self.bindings)

    async def ainvoke(
        self, input: Any, config: RunnableConfig | None = None, **kwargs: Any
    ) -> Answer:
        """Ask, in an event loop."""
        return await self.chain.aanswer(input, self._config(config), self.bindings)

    def chunks(
        self, input: Any, config: RunnableConfig | None = None, answers: list[Answer] | None = None
    ) -> Iterator[AIMessageChunk]:
        """Ask for chunks; the whole answer is added to `answers` at the end."""
        return self.chain.stream_answer(input, self._config(config), self.bindings, answers)

    def achunks(
        self, input: Any, config: RunnableConfig | None = None, answers: list[Answer] | None = None
    ) -> AsyncIterator[AIMessageChunk]:
        """Ask for chunks, in an event loop."""
        return self.chain.astream_answer(input, self._config(config), self.bindings, answers)

    def batch(
        self,
        inputs: list[Any],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[Answer]:
        """Ask many; their queries are encoded and routed together."""
        configs = self._configs(config, len(inputs))
        choices = [choices_of(config, self.chain.config_prefix) for config in configs]
        with prepare_ahead(self.chain.steps, inputs, choices, self.bindings) as pending:
            return super().batch(
                cast("list[Any]", pending), configs, return_exceptions=return_exceptions
            )

    async def abatch(
        self,
        inputs: list[Any],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[Answer]:
        """Ask many, in an event loop; their queries are encoded and routed together."""
        configs = self._configs(config, len(inputs))
        choices = [choices_of(config, self.chain.config_prefix) for config in configs]
        with prepare_ahead(self.chain.steps, inputs, choices, self.bindings) as pending:
            return await super().abatch(
                cast("list[Any]", pending), configs, return_exceptions=return_exceptions
            )

    def _config(self, config: RunnableConfig | None) -> RunnableConfig:
        return extended(config, self.extra)

    def _configs(
        self, config: RunnableConfig | Sequence[RunnableConfig] | None, length: int
    ) -> list[RunnableConfig]:
        configs = get_config_list(config, length) if length else []
        return [self._config(config) for config in configs]


def bindings_of(options: Mapping[str, Any]) -> Bindings:
    """Read the arguments of a call: with tools, what is not the call's goes to `bind_tools`."""
    given = {name: value for name, value in options.items() if value is not None}
    tools = given.pop("tools", None)
    if not tools:
        return Bindings(options={n: value for n, value in given.items() if n not in _OF_TOOLS})
    call = {name: given.pop(name) for name in _OF_THE_CALL if name in given}
    return Bindings(tools=tuple(tools), tool_options=given, options=call)


def without_tools(options: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that have a meaning without tools too."""
    return {name: value for name, value in options.items() if name not in ("tools", *_OF_TOOLS)}


def chosen_model(chain: FusionRouterChain, name: str | None) -> RunnableConfig:
    """The config by which a call chooses a model of the pool."""
    if name is None:
        return RunnableConfig()
    return RunnableConfig(configurable={key_of("model", chain.config_prefix): name})
