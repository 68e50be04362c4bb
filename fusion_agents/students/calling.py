"""One call of a student: its options, and its answer as a message."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fusion_agents.students.errors import ContextOverflowError, InvalidRequestError
from fusion_agents.students.jobs import Answer, Job
from fusion_agents.students.loading import Loaded

Message = TypeVar("Message", bound=AIMessage)


class Options(BaseModel):
    """What a call may change."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    max_tokens: int = Field(ge=1)
    temperature: float = Field(ge=0)
    seed: int | None
    timeout: float | None = Field(gt=0)
    stop: list[str] | None


def read_options(defaults: Mapping[str, Any], given: Mapping[str, Any]) -> Options:
    """The options of a call; one that is none stands for the default.

    Raises:
        InvalidRequestError: If an option is unknown or wrong.
    """
    wanted = {name: value for name, value in given.items() if value is not None}
    for name in wanted:
        if name not in Options.model_fields:
            known = ", ".join(Options.model_fields)
            raise InvalidRequestError(f"a student knows no option {name!r}: it knows {known}")
    try:
        return Options.model_validate({**defaults, **wanted})
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
    raise InvalidRequestError(f"{first['loc'][0]}: {first['msg'].lower()}")


def make_job(
    loaded: Loaded,
    messages: Sequence[BaseMessage],
    options: Options,
    batch_size: int,
    on_text: Callable[[str], None] | None = None,
) -> Job:
    """Put the messages into tokens.

    Raises:
        ContextOverflowError: If they leave no room for an answer.
        InvalidRequestError: If the model cannot be asked them.
    """
    if not messages:
        raise InvalidRequestError("there is no message to answer")
    prompt = loaded.tokens_of(messages)
    window = loaded.context_window
    if window is not None and len(prompt) >= window:
        raise ContextOverflowError(
            f"the messages have {len(prompt)} tokens, and the context window of "
            f"{loaded.files.name!r} has {window}"
        )
    room = options.max_tokens if window is None else window - len(prompt)
    return Job(
        prompt=prompt,
        adapter=loaded.adapter,
        limit=min(options.max_tokens, room),
        ends=loaded.ends,
        decode=loaded.decode,
        stop=tuple(filter(None, options.stop or ())),
        temperature=options.temperature,
        seed=secrets.randbits(63) if options.seed is None else options.seed,
        batch_size=batch_size,
        on_text=on_text,
    )


def as_message(kind: type[Message], text: str, loaded: Loaded, job: Job, answer: Answer) -> Message:
    """What was said, with what it took."""
    read = len(job.prompt)
    return kind(
        content=text,
        usage_metadata=UsageMetadata(
            input_tokens=read, output_tokens=answer.tokens, total_tokens=read + answer.tokens
        ),
        response_metadata={
            "model_name": loaded.files.name,
            "model_provider": "student",
            "finish_reason": answer.finish_reason,
        },
    )
