"""What another provider cannot read in a conversation is left out for it."""

from collections.abc import Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AnyMessage

from fusion_agents.pool.pool import Pool

_THOUGHTS = frozenset({"thinking", "redacted_thinking", "reasoning", "reasoning_content"})
"""Types of content blocks that only the provider that signed them accepts."""
_HIDDEN = frozenset({"reasoning", "reasoning_content", "reasoning_details", "thinking"})
"""Where messages keep the same outside of their content."""


def provider_of(model: BaseChatModel) -> str:
    """Name of the provider behind a chat model, as traces have it."""
    return str(model._get_ls_params().get("ls_provider") or type(model).__name__.lower())


def provider_named(pool: Pool, model: str) -> str:
    """The same for a model of the pool, without building it where its name says it."""
    spec = pool.models[model].spec
    if isinstance(spec, str) and ":" in spec:
        return spec.partition(":")[0].replace("-", "_")
    return provider_of(pool.chat_model(model))


def readable(messages: Sequence[AnyMessage], provider: str) -> list[AnyMessage]:
    """Leave hidden reasoning out of messages that another provider wrote.

    Messages that name no provider, and those of other roles, stay as they are; the caller's
    objects are not changed.
    """
    return [
        _without_thoughts(message)
        if isinstance(message, AIMessage) and _foreign(message, provider)
        else message
        for message in messages
    ]


def _foreign(message: AIMessage, provider: str) -> bool:
    author = message.response_metadata.get("model_provider")
    return author is not None and str(author).replace("-", "_") != provider


def _without_thoughts(message: AIMessage) -> AIMessage:
    update: dict[str, Any] = {}
    if isinstance(message.content, list):
        kept = [block for block in message.content if not _is_thought(block)]
        if len(kept) < len(message.content):
            update["content"] = kept or ""
    if _HIDDEN & message.additional_kwargs.keys():
        update["additional_kwargs"] = {
            key: value for key, value in message.additional_kwargs.items() if key not in _HIDDEN
        }
    return message.model_copy(update=update) if update else message


def _is_thought(block: str | dict[Any, Any]) -> bool:
    return isinstance(block, dict) and block.get("type") in _THOUGHTS
