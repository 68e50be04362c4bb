"""A chat model with something bound to it, which stays bound."""

from typing import Any

from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable, RunnableBinding


class FusionBinding(RunnableBinding[LanguageModelInput, AIMessage]):  # type: ignore[no-redef]
    """What `bind`, `bind_tools` and `with_config` of a `ChatFusion` give.

    Where LangChain's own forgets what was bound before, a schema or tools that are bound now are
    joined to it: `model.with_config(...).with_structured_output(...)` keeps the config. Only
    tools are forgotten when a schema is bound, as with any chat model: a schema takes their place.
    """

    def bind_tools(self, tools: Any, **kwargs: Any) -> Runnable[LanguageModelInput, AIMessage]:
        """Bind tools in place of earlier ones."""
        bound = self.bound.bind_tools(tools, **kwargs)  # type: ignore[attr-defined]
        return type(self)(
            bound=self.bound, kwargs={**self.kwargs, **bound.kwargs}, config=self.config
        )

    def with_structured_output(
        self, schema: dict[str, Any] | type, **kwargs: Any
    ) -> Runnable[LanguageModelInput, Any]:
        """Bind a schema; options that were bound go to the same call."""
        structured = self.bound.with_structured_output(schema, **kwargs)  # type: ignore[attr-defined]
        made: Runnable[LanguageModelInput, Any] = structured.joined(self.kwargs, self.config)
        return made

    @classmethod
    def lc_id(cls) -> list[str]:
        """Serialise as what LangChain knows."""
        return [*cls.get_lc_namespace(), "RunnableBinding"]
