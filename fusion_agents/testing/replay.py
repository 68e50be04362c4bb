"""A chat model that answers as a model of the log did."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, ModelProfile
from langchain_core.language_models.base import LangSmithParams
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.ai import InputTokenDetails, OutputTokenDetails, UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import ConfigDict, Field, PrivateAttr

from fusion_agents.conversation import query_text
from fusion_agents.errors import DataError
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.testing.fake_stream import in_chunks
from fusion_agents.testing.replay_log import Recorded, Recording, ReplayedError
from fusion_agents.types import Usage

__all__ = ["ReplayChatModel", "ReplayedError"]

Manager = CallbackManagerForLLMRun | AsyncCallbackManagerForLLMRun | None

_SHOWN = 80


class ReplayChatModel(BaseChatModel):
    """Gives the logged answer of one model to a logged query: no key, no network, no cost.

    A query is known if the last human message is its text, or holds it because a strategy put
    words around it. The answer comes with the usage, finish reason and model version that were
    logged, and the entry's key (`log_entry` in the message's metadata). An attempt that failed is
    raised as a `ReplayedError` whose status and class tell what failed; an `empty` one is an
    empty message. Where an arm answered a query several times, its last answer counts. What is
    passed with a call (stop, temperature, ...) changes nothing.

    The log is read once, when the model is made; several models share what was read if they are
    made by `pool_of`.

    >>> import tempfile
    >>> from fusion_agents.types import Arm, LogEntry, Query
    >>> with tempfile.TemporaryDirectory() as folder, RoutingLog(f"{folder}/log.db") as log:
    ...     arm = Arm(model="small")
    ...     _ = log.append([LogEntry(query=Query(text="2 + 2?"), arm=arm, response="4")])
    ...     ReplayChatModel(log=log, model="small").invoke("2 + 2? Think step by step.").content
    '4'
    """

    log: RoutingLog | Recording | Path | str = Field(exclude=True, repr=False)
    """Where the answers are: a log, its file, or what was read of it before."""
    model: str
    """The model's name in the log."""
    strategy: str | None = None
    """Which of the model's arms answers; without it, the arm that the run's metadata names as
    `fusion_arm`, or else `direct`, or else the first strategy that the log has."""
    default: str | None = None
    """Said to queries that the log does not know; without it, they are errors."""
    replay_latency: bool = False
    """Wait as long as the logged answer took."""

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    _recording: Recording = PrivateAttr()

    @classmethod
    def pool_of(
        cls,
        log: RoutingLog | Path | str,
        *,
        default: str | None = None,
        replay_latency: bool = False,
    ) -> dict[str, Self]:
        """Make a model for each model of the log, by name: the models of a pool.

        Raises:
            StoreError: If there is no such file.
        """
        recording = Recording(log)
        return {
            name: cls(log=recording, model=name, default=default, replay_latency=replay_latency)
            for name in recording.models
        }

    def model_post_init(self, context: Any, /) -> None:
        """Read the log."""
        super().model_post_init(context)
        log = self.log
        self._recording = log if isinstance(log, Recording) else Recording(log, (self.model,))

    # -- what LangChain calls ---------------------------------------------------------------

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        found = self._find(messages, run_manager)
        time.sleep(self._wait(found))
        return ChatResult(generations=[ChatGeneration(message=self._message(found, run_manager))])

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        found = self._find(messages, run_manager)
        await asyncio.sleep(self._wait(found))
        return ChatResult(generations=[ChatGeneration(message=self._message(found, run_manager))])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        found = self._find(messages, run_manager)
        chunks = list(in_chunks(self._message(found, run_manager)))
        for chunk in chunks:
            time.sleep(self._wait(found) / len(chunks))
            yield chunk

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        found = self._find(messages, run_manager)
        chunks = list(in_chunks(self._message(found, run_manager)))
        for chunk in chunks:
            await asyncio.sleep(self._wait(found) / len(chunks))
            yield chunk

    # -- what the log says ------------------------------------------------------------------

    def _arm_strategy(self, manager: Manager) -> str:
        if self.strategy is not None:
            return self.strategy
        arm = str((manager.metadata if manager else {}).get("fusion_arm", ""))
        if arm.startswith(f"{self.model}@"):
            return arm.removeprefix(f"{self.model}@")
        known = self._recording.strategies(self.model)
        return "direct" if "direct" in known or not known else known[0]

    def _find(self, messages: list[BaseMessage], manager: Manager) -> Recorded:
        asked = query_text(messages)
        arm = f"{self.model}@{self._arm_strategy(manager)}"
        query = self._recording.query(asked)
        found = query and self._recording.answer(self.model, arm.rpartition("@")[2], query)
        if found and (found.response is not None or found.error is not None):
            return found
        if self.default is not None:
            return Recorded("", self.default, None, Usage(), None, None, None)
        shown = asked if len(asked) <= _SHOWN else f"{asked[:_SHOWN]}…"
        what = "kept no response" if found else "has no answer"
        raise DataError(
            f"the log {what} of {arm} to {shown!r}: ask what is in the log, or give default="
        )

    def _wait(self, found: Recorded) -> float:
        return found.latency or 0.0 if self.replay_latency else 0.0

    def _message(self, found: Recorded, manager: Manager) -> AIMessage:
        found.check(f"{self.model}@{self._arm_strategy(manager)}")
        metadata = {
            "model_name": found.model_version or self.model,
            "model_provider": "replay",
            "finish_reason": found.finish_reason or "stop",
        }
        return AIMessage(
            content=found.response or "",
            usage_metadata=_usage(found.usage),
            response_metadata=metadata | ({"log_entry": found.key} if found.key else {}),
        )

    # -- what it says about itself ----------------------------------------------------------

    @property
    def _llm_type(self) -> str:
        return "replay-chat-model"

    @property
    def _identifying_params(self) -> Mapping[str, Any]:
        return {"model": self.model, "strategy": self.strategy, "default": self.default}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop, **kwargs)
        params["ls_provider"] = "replay"
        return params

    def _resolve_model_profile(self) -> ModelProfile:
        return ModelProfile(tool_calling=False, structured_output=False, image_inputs=False)


def _usage(usage: Usage) -> UsageMetadata | None:
    if usage.input_tokens is None and usage.output_tokens is None:
        return None
    read, said = usage.input_tokens or 0, usage.output_tokens or 0
    made = UsageMetadata(input_tokens=read, output_tokens=said, total_tokens=read + said)
    if usage.cached_tokens is not None:
        made["input_token_details"] = InputTokenDetails(cache_read=usage.cached_tokens)
    if usage.reasoning_tokens is not None:
        made["output_token_details"] = OutputTokenDetails(reasoning=usage.reasoning_tokens)
    return made
