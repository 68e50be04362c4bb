"""One call is one attempt: the retries of a model's own client are switched off."""

from typing import Any

from langchain_core.language_models import BaseChatModel

_MISSING = object()


def single_attempt(model: BaseChatModel) -> BaseChatModel:
    """A copy of the model whose client sends each request once; the model stays as it is.

    Where nothing has to be switched off, the model itself is returned. Connections are shared
    with it.
    """
    changed = {
        name: new for name, value in vars(model).items() if (new := _once(value)) is not value
    }
    if getattr(model, "max_retries", 0) != 0 and "max_retries" in type(model).model_fields:
        changed["max_retries"] = 0
    hidden = {
        name: new
        for name, value in (model.__pydantic_private__ or {}).items()
        if (new := _once(value)) is not value
    }
    if not changed and not hidden:
        return model
    copy = model.model_copy()
    vars(copy).update(changed)
    for name, value in hidden.items():
        setattr(copy, name, value)
    return copy


def _once(value: Any) -> Any:
    """A client, or what holds one, that does not retry; anything else as it is."""
    if isinstance(value, BaseChatModel):
        return single_attempt(value)
    if _is_client(value):
        return value if value.max_retries == 0 else value.with_options(max_retries=0)
    client = getattr(value, "_client", _MISSING) if _is_resource(value) else _MISSING
    if _is_client(client) and client.max_retries != 0:  # type: ignore[attr-defined]
        return type(value)(_once(client))
    return value


def _is_client(value: Any) -> bool:
    """Whether it is a client as the packages of OpenAI, Anthropic, Groq and others have it."""
    return callable(getattr(type(value), "with_options", None)) and hasattr(value, "max_retries")


def _is_resource(value: Any) -> bool:
    """Whether it is a part of such a client, as `client.chat.completions`."""
    return ".resources." in f"{type(value).__module__}."
