"""What a request to the loopback server holds, and how the server is to behave towards it."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias

from pydantic import Field

from fusion_agents.types import Noun, Seconds, Usage


class Request(NamedTuple):
    """One request as it came in."""

    time: float
    """Seconds on the clock of `time.monotonic`."""
    method: str
    path: str
    headers: Mapping[str, str]
    """Names in lower case; `authorization` is there as the client sent it."""
    body: Mapping[str, Any]
    """The JSON object; empty if there was none."""
    query: Mapping[str, str] = MappingProxyType({})
    """What the address holds after the question mark."""
    form: bytes = b""
    """The body of an upload as it came; empty for others."""

    @property
    def model(self) -> str:
        """The model that is asked."""
        return str(self.body.get("model", ""))

    @property
    def messages(self) -> Sequence[Mapping[str, Any]]:
        """The conversation as OpenAI takes it."""
        messages: Sequence[Mapping[str, Any]] = self.body.get("messages") or ()
        return messages

    @property
    def streaming(self) -> bool:
        """Whether the answer is wanted as server-sent events."""
        return bool(self.body.get("stream"))

    @property
    def text(self) -> str:
        """Text of the last message from the user, or else of the last message."""
        asked = [message for message in self.messages if message.get("role") == "user"]
        last = (asked or list(self.messages) or [{}])[-1]
        content = last.get("content") or ""
        if isinstance(content, str):
            return content
        return "".join(part.get("text", "") for part in content if part.get("type") == "text")

    @property
    def key(self) -> str:
        """The API key that the client sent."""
        return self.headers.get("authorization", "").removeprefix("Bearer ")


class CalledTool(Noun):
    """A tool call that the answer holds."""

    name: str
    args: dict[str, Any] | str = Field(default_factory=dict)
    """A text is sent as it is, so that it need not be JSON."""
    id: str | None = None
    """Without one, it is numbered."""


class Behaviour(Noun):
    """How the server treats one request; what is not given is as a healthy provider does it.

    >>> Behaviour(status=429, retry_after="2").status
    429
    """

    status: Annotated[int, Field(ge=100, le=599)] = 200
    """From 400 on, the body is an error as OpenAI words it."""
    message: str | None = None
    """The error in words."""
    code: str | None = None
    """OpenAI's code of the error, such as `context_length_exceeded`."""
    echo_key: bool = False
    """The error's message repeats the API key, as careless servers do."""
    retry_after: str | None = None
    """Header `retry-after`: seconds or an HTTP date."""
    retry_after_ms: float | None = None
    """Header `retry-after-ms`."""
    headers: dict[str, str] = Field(default_factory=dict)
    """Further headers; they replace the server's own of the same name in lower case."""

    text: str | None = "Hello."
    """What the model says; none for `"content": null`."""
    tool_calls: tuple[CalledTool, ...] = ()
    finish_reason: str | None = None
    """Without one, `tool_calls` or `stop`."""
    usage: Usage | Literal["estimate"] | None = "estimate"
    """What it claims to have cost; none to say nothing about it."""
    empty_choices: bool = False
    """The answer holds no choice."""
    body: str | bytes | None = None
    """Sent instead of an answer, whatever it is, also to who wants a stream."""
    content_type: str | None = None
    """Of `body`; without one, HTML if it starts with `<`, else JSON."""

    delay: Seconds = 0.0
    """Seconds before anything else happens."""
    drip: Seconds = 0.0
    """Seconds between two tokens of a stream, or between ten parts of a plain body."""
    hang: bool = False
    """Never answer; the request ends when the client leaves."""
    cut_after: Annotated[int, Field(ge=0)] | None = None
    """Close the connection after so many tokens of a stream, or in the middle of a plain body."""
    error_after: Annotated[int, Field(ge=0)] | None = None
    """Send the error (`message`, `code`) after so many tokens of a stream, and end it."""
    reset: bool = False
    """Reset the connection (TCP RST): at once, or where `cut_after` says."""


Rule: TypeAlias = Callable[[Request], Behaviour | None]
"""Says how to treat a request; none for the usual."""
