"""What the runs of models look like to callbacks: their config, and no secrets in them."""

from collections.abc import Callable
from traceback import walk_tb
from typing import Any

from langchain_core.callbacks import BaseCallbackHandler, BaseCallbackManager, Callbacks, manager
from langchain_core.outputs import LLMResult
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import ensure_config

from fusion_agents.answering.nouns import Call
from fusion_agents.answering.redaction import Redactor
from fusion_agents.types import Arm

_CALLING_BACK = frozenset({"handle_event", "_ahandle_event_for_handler"})
"""Functions of LangChain in which callbacks run."""


class RedactingHandler(BaseCallbackHandler):
    """Cleans a model's exception before other callbacks see it.

    It must be the first one. Exceptions, and what LangChain reads out of their responses, are
    changed in place: all callbacks are handed the same objects.
    """

    run_inline = True
    ignore_chat_model = True
    ignore_retriever = True
    ignore_agent = True
    ignore_retry = True
    ignore_custom_event = True

    def __init__(self, redactor: Callable[[], Redactor]) -> None:
        self._redactor = redactor

    def on_llm_error(
        self, error: BaseException, *, response: LLMResult | None = None, **kwargs: Any
    ) -> None:
        """Clean the exception and the response that LangChain made of it."""
        redactor = self._redactor()
        redactor.exception(error)
        for generation in (
            (one for many in response.generations for one in many) if response else ()
        ):
            generation.generation_info = redactor.value(generation.generation_info)
            message = getattr(generation, "message", None)
            if message is not None:
                message.response_metadata = redactor.value(message.response_metadata)

    def on_chain_error(self, error: BaseException, **kwargs: Any) -> None:
        """Clean the exception of a runnable around a model."""
        self._redactor().exception(error)


def run_config(
    config: RunnableConfig, call: Call, arm: Arm, number: int, handler: BaseCallbackHandler
) -> RunnableConfig:
    """The config of a model's run: a child of the caller's, with a name and id of its own."""
    child = RunnableConfig(
        **{
            **config,
            "tags": [*dict.fromkeys((*config.get("tags", ()), "fusion", f"arm:{arm}", *call.tags))],
            "metadata": {
                **_without_evidence(config.get("metadata")),
                "fusion_arm": str(arm),
                "fusion_attempt": number,
                **call.metadata,
            },
            "callbacks": _first(handler, config.get("callbacks")),
        }
    )
    child.pop("run_name", None)
    child.pop("run_id", None)
    return child


def callers_config(config: RunnableConfig | None) -> RunnableConfig:
    """The caller's config, with that of the run around it where there is one."""
    return ensure_config(config)


def is_the_callers(error: BaseException) -> bool:
    """Whether an exception says nothing of a model, but ends what the caller is doing.

    A graph interrupts itself by one, and a callback with `raise_error` raises one: a guard that
    ends a call must not have the next arm asked.
    """
    if any(kind.__name__ == "GraphBubbleUp" for kind in type(error).__mro__):
        return True
    return any(
        frame.f_code.co_name in _CALLING_BACK and frame.f_globals["__name__"] == manager.__name__
        for frame, _ in walk_tb(error.__traceback__)
    )


def _first(handler: BaseCallbackHandler, callbacks: Callbacks) -> Callbacks:
    if isinstance(callbacks, BaseCallbackManager):
        manager = callbacks.copy()
        manager.metadata = _without_evidence(manager.metadata)
        manager.inheritable_metadata = _without_evidence(manager.inheritable_metadata)
        manager.handlers.insert(0, handler)
        manager.inheritable_handlers.insert(0, handler)
        return manager
    return [handler, *(callbacks or ())]


def _without_evidence(metadata: dict[str, Any] | None) -> dict[str, Any]:
    """Metadata without every arm's forecast: LangGraph sends a model's with each of its tokens."""
    return {key: value for key, value in (metadata or {}).items() if key != "fusion"}
