"""How what the caller bound to a model is applied to the one that was chosen."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from langchain_core.globals import get_llm_cache
from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import Runnable, RunnableParallel, RunnableSequence

from fusion_agents.answering.nouns import Bindings

_TAKE_TIMEOUT = frozenset({"BaseChatOpenAI", "ChatAnthropic", "StudentChatModel"})
"""Classes of chat models whose calls take a `timeout` in seconds."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Bound:
    """A model that is ready for a kind of call."""

    model: Runnable[Any, Any]
    """Gives a message; with `whole`, a dict of `raw`, `parsed` and `parsing_error`."""
    parser: Runnable[Any, Any] | None = None
    """Turns a dict with the message as `raw` into one that also has what was parsed."""
    whole: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of each call."""
    takes_timeout: bool = False
    may_call_tools: bool = False
    """Whether a tool call is as good as what the schema asks for."""

    def arguments(self, timeout: float | None = None) -> dict[str, Any]:
        """The arguments of a call that should end itself after `timeout` seconds."""
        if timeout is None or not self.takes_timeout or "timeout" in self.options:
            return dict(self.options)
        return {**self.options, "timeout": round(max(timeout, 0.001), 3)}


class Binder:
    """Binds models; what was bound for a `Bindings` is kept as long as that is."""

    def __init__(self) -> None:
        self._kept: WeakKeyDictionary[Bindings, dict[str, Bound]] = WeakKeyDictionary()

    def bind(
        self, name: str, chat_model: Callable[[str], BaseChatModel], bindings: Bindings
    ) -> Bound:
        """The model of this name, ready for calls with these bindings."""
        if not bindings.tools and bindings.schema is None:
            return _plain(chat_model(name), bindings)
        kept = self._kept.setdefault(bindings, {})
        bound = kept.get(name)
        if bound is None:
            bound = kept[name] = _bound(chat_model(name), bindings)
        return bound


def _plain(model: BaseChatModel, bindings: Bindings) -> Bound:
    return Bound(model=model, options=bindings.options, takes_timeout=_takes_timeout(model))


def _bound(model: BaseChatModel, bindings: Bindings) -> Bound:
    timeout = _takes_timeout(model)
    if bindings.schema is None:
        tools = model.bind_tools(list(bindings.tools), **bindings.tool_options)
        return Bound(model=tools, options=bindings.options, takes_timeout=timeout)
    options = dict(bindings.schema_options)
    if bindings.tools:
        options = {"tools": list(bindings.tools), **bindings.tool_options, **options}
    structured = model.with_structured_output(bindings.schema, **{**options, "include_raw": True})
    parts = _parts(structured)
    if parts is None:
        return Bound(
            model=structured,
            whole=True,
            options=bindings.options,
            may_call_tools=bool(bindings.tools),
        )
    raw, parser = parts
    return Bound(
        model=raw,
        parser=parser,
        options=bindings.options,
        takes_timeout=timeout,
        may_call_tools=bool(bindings.tools),
    )


def _parts(
    structured: Runnable[Any, Any],
) -> tuple[Runnable[Any, Any], Runnable[Any, Any]] | None:
    """The model and the parser in what `with_structured_output` makes.

    Apart, the model streams, takes the arguments of a call (the whole drops them) and is the
    caller's child in traces.
    """
    if not isinstance(structured, RunnableSequence) or not isinstance(
        structured.first, RunnableParallel
    ):
        return None
    steps = structured.first.steps__
    if set(steps) != {"raw"}:
        return None
    rest = structured.steps[1:]
    return steps["raw"], rest[0] if len(rest) == 1 else RunnableSequence(*rest)


def _takes_timeout(model: BaseChatModel) -> bool:
    """Whether calls may name a timeout: not where answers are cached under their arguments."""
    cached = get_llm_cache() is not None if model.cache is None else bool(model.cache)
    return not cached and any(kind.__name__ in _TAKE_TIMEOUT for kind in type(model).__mro__)
